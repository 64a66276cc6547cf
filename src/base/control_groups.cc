// SPDX-License-Identifier: Apache-2.0
#include "base/control_groups.h"

#include <fstream>
#include <sstream>

namespace gemma3n {
namespace {

// Whether a list such as "cpu,cpuacct" holds the controller.
bool Holds(const std::string& list, const std::string& controller) {
  std::istringstream names(list);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == controller) return true;
  }
  return false;
}

}  // namespace

void VisitControlGroups(
    const ControlGroupPlaces& places, const std::string& controller,
    const std::function<void(const std::filesystem::path& group, bool second_version)>& visit) {
  std::ifstream file(places.groups);
  for (std::string line; std::getline(file, line);) {
    // "0::/path" in version 2, "8:cpu,cpuacct:/path" in version 1.
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool second_version = controllers.empty();
    if (!second_version && !Holds(controllers, controller)) continue;
    // A controller of version 1 has a link of its own name where it shares a directory.
    const std::filesystem::path top = second_version ? places.mount : places.mount / controller;
    std::filesystem::path path = std::filesystem::path(line.substr(second + 1)).relative_path();
    for (;; path = path.parent_path()) {
      visit(top / path, second_version);
      if (path.empty()) break;
    }
  }
}

std::optional<int64_t> NumberInFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

}  // namespace gemma3n
