// SPDX-License-Identifier: Apache-2.0
#include "cli/shell_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cli/terminal.h"
#include "gemma3n/error.h"
#include "gemma3n/picture_file.h"

extern char** environ;

namespace gemma3n::cli {
namespace {

constexpr size_t kMostRunning = 4;
constexpr std::chrono::seconds kLastWait(10);
constexpr size_t kMostBytes = 100 << 10;  // of a variable; the system takes 128 KiB

// "NAME=value", without what an environment cannot hold.
std::string Variable(const std::string& name, std::string value) {
  std::erase(value, '\0');
  size_t bytes = std::min(value.size(), kMostBytes);
  while (bytes < value.size() && bytes > 0 &&
         (static_cast<unsigned char>(value[bytes]) & 0xc0) == 0x80) {
    --bytes;
  }
  return name + "=" + value.substr(0, bytes);
}

std::string WritePicture(const Image& picture) {
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  if (error) throw Error(ErrorKind::kResources, "TMPDIR: expected a folder: " + error.message());
  std::string path = (folder / "gemma3n-XXXXXX.png").string();
  const int fd = mkostemps(path.data(), 4, O_CLOEXEC);
  if (fd < 0) throw Error(ErrorKind::kResources, path + ": cannot be written");
  try {
    WritePng(picture, fd, path);
  } catch (...) {
    close(fd);
    unlink(path.c_str());
    throw;
  }
  close(fd);
  return path;
}

// The process, or -1.
pid_t Spawn(const std::string& command, const std::vector<std::string>& variables) {
  std::vector<char*> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const char* equals = std::strchr(*variable, '=');
    const std::string start(*variable, equals == nullptr ? 0 : equals + 1 - *variable);
    bool replaced = false;
    for (const std::string& ours : variables) replaced = replaced || ours.rfind(start, 0) == 0;
    if (!replaced || start.empty()) environment.push_back(*variable);
  }
  for (const std::string& variable : variables) {
    environment.push_back(const_cast<char*>(variable.c_str()));
  }
  environment.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);  // we ignore SIGPIPE
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  // A shell around the user's, since we may be gone when the command ends.
  std::string shell = "sh", flag = "-c", words = command;
  std::string around = R"(/bin/sh -c "$1"; code=$?; rm -f -- "$GEMMA3N_PICTURE"; exit $code)";
  char* const arguments[] = {shell.data(), flag.data(),  around.data(),
                             shell.data(), words.data(), nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    Tell(std::string("--exec: /bin/sh: ") + std::strerror(error));
    return -1;
  }
  return pid;
}

}  // namespace

ShellCommand::~ShellCommand() {
  Reap();
}

bool ShellCommand::Start(std::map<std::string, std::string> environment, const Image& picture) {
  Reap();
  if (running_.size() >= kMostRunning) {
    Tell("--exec: passed over, since " + std::to_string(kMostRunning) + " are still running");
    return false;
  }
  std::string path;
  try {
    path = WritePicture(picture);
  } catch (const Error& error) {
    Tell(std::string("--exec: passed over: ") + error.what());
    return false;
  }
  environment["GEMMA3N_PICTURE"] = path;
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(Variable(name, value));
  const pid_t pid = Spawn(command_, variables);
  if (pid < 0) {
    unlink(path.c_str());
    return false;
  }
  running_.push_back({pid, path});
  return true;
}

void ShellCommand::Reap() {
  std::erase_if(running_, [](const Running& running) {
    int status = 0;
    if (waitpid(running.pid, &status, WNOHANG) == 0) return false;
    unlink(running.picture.c_str());
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      Tell("--exec: the command failed, " +
           (WIFEXITED(status) ? "exit code " + std::to_string(WEXITSTATUS(status))
                              : "signal " + std::to_string(WTERMSIG(status))));
    }
    return true;
  });
}

void ShellCommand::Finish() {
  const auto end = std::chrono::steady_clock::now() + kLastWait;
  for (Reap(); !running_.empty() && std::chrono::steady_clock::now() < end; Reap()) {
    pollfd wait{InterruptDescriptor(), POLLIN, 0};
    if (poll(&wait, 1, 20) > 0) break;
  }
  if (!running_.empty()) Tell("--exec: " + std::to_string(running_.size()) + " still running");
}

}  // namespace gemma3n::cli
