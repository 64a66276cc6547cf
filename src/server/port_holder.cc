// SPDX-License-Identifier: Apache-2.0
// The kernel lists sockets with their inodes (/proc/net/tcp), and each process's descriptors as
// links to them (/proc/PID/fd).
#include "server/port_holder.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <vector>

namespace gemma3n::server {
namespace {

namespace fs = std::filesystem;

// As the links have them: "socket:[12345]".
std::set<std::string> ListeningSockets(int port) {
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);  // names of columns
    while (std::getline(file, line)) {
      std::istringstream columns(line);
      std::vector<std::string> fields;
      for (std::string field; columns >> field;) fields.push_back(field);
      constexpr size_t kLocal = 1, kState = 3, kInode = 9;
      constexpr const char* kListening = "0A";
      if (fields.size() <= kInode || fields[kState] != kListening) continue;
      const size_t colon = fields[kLocal].find(':');
      if (colon == std::string::npos) continue;
      std::istringstream digits(fields[kLocal].substr(colon + 1));
      int found = 0;
      if (digits >> std::hex >> found && found == port) {
        sockets.insert("socket:[" + fields[kInode] + "]");
      }
    }
  }
  return sockets;
}

bool Holds(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    if (sockets.contains(fs::read_symlink(at->path(), gone))) return true;
  }
  return false;
}

}  // namespace

std::string HolderOfPort(int port) {
  const std::set<std::string> sockets = ListeningSockets(port);
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && !sockets.empty() && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    const bool is_process =
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); });
    if (!is_process || !Holds(at->path(), sockets)) continue;
    std::string program;
    std::ifstream file(at->path() / "comm");
    std::getline(file, program);
    return "process " + name + " (" + program + ")";
  }
  return "";
}

}  // namespace gemma3n::server
