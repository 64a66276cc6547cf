// SPDX-License-Identifier: Apache-2.0
// Commands of the user's that run beside us, with what was seen in their environment.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n::cli {

// Runs `command` by /bin/sh, each time in a process group of its own, with nothing of ours but
// standard error, which is its standard output too; what it reads is empty. Never waited for while
// pictures come.
class ShellCommand {
 public:
  explicit ShellCommand(std::string command) : command_(std::move(command)) {}
  ~ShellCommand();
  ShellCommand(const ShellCommand&) = delete;
  ShellCommand& operator=(const ShellCommand&) = delete;

  // Starts it; false when too many are still running, or it cannot be started, which is told. The
  // picture is a PNG file that GEMMA3N_PICTURE names, until the command ends.
  bool Start(std::map<std::string, std::string> environment, const Image& picture);
  // Takes note of those that have ended.
  void Reap();
  // Gives those that still run a while to end; Ctrl-C cuts it short. What then still runs goes on
  // without us.
  void Finish();

 private:
  struct Running {
    pid_t pid;
    std::string picture;  // path
  };
  std::string command_;
  std::vector<Running> running_;
};

}  // namespace gemma3n::cli
