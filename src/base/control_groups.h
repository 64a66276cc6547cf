// SPDX-License-Identifier: Apache-2.0
// The control groups of Linux, versions 1 and 2, that this process belongs to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace gemma3n {

// Where the system tells of them: /proc/self/cgroup, and where they are mounted.
struct ControlGroupPlaces {
  std::filesystem::path groups = "/proc/self/cgroup";
  std::filesystem::path mount = "/sys/fs/cgroup";
};

// Calls `visit` with the directory of every group that may limit `controller` ("memory", "cpu"),
// from our own up to the top, since a limit of any of them holds. Directories need not exist:
// inside a container the path may be the host's.
void VisitControlGroups(
    const ControlGroupPlaces& places, const std::string& controller,
    const std::function<void(const std::filesystem::path& group, bool second_version)>& visit);

// The number that a file begins with; nullopt for "max", which is no number, and where there is no
// such file.
std::optional<int64_t> NumberInFile(const std::filesystem::path& path);

}  // namespace gemma3n
