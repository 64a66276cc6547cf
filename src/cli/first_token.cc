// SPDX-License-Identifier: Apache-2.0
#include "cli/first_token.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

// Our own settings, such as GEMMA3N_IMAGE, would mean something else to `run`.
std::vector<char*> EnvironmentForRun() {
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const bool ours = std::strncmp(*entry, "GEMMA3N_", 8) == 0;
    if (!ours || std::strncmp(*entry, "GEMMA3N_ISA=", 12) == 0) kept.push_back(*entry);
  }
  kept.push_back(nullptr);
  return kept;
}

// A process whose standard output we read; ended with the object.
class Child {
 public:
  explicit Child(std::vector<std::string> words) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) Fail("pipe", errno);
    output_ = ends[0];
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int failed = posix_spawn(&process_, "/proc/self/exe", &actions, nullptr, arguments.data(),
                                   EnvironmentForRun().data());
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed != 0) {
      close(output_);
      Fail("starting this program anew", failed);
    }
  }
  ~Child() {
    kill(process_, SIGKILL);
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
    close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t process() const { return process_; }

  // False when interrupted before a byte has come.
  bool WaitForFirstByte() {
    pollfd waits[] = {{output_, POLLIN, 0}, {InterruptDescriptor(), POLLIN, 0}};
    while (poll(waits, 2, -1) < 0) {
      if (errno != EINTR) Fail("poll", errno);
    }
    if (Interrupted()) return false;
    char byte = 0;
    if (read(output_, &byte, 1) == 1) return true;
    throw Error(ErrorKind::kInternal, "start: expected an answer of 'run', found none");
  }

 private:
  [[noreturn]] static void Fail(const std::string& what, int code) {
    throw Error(ErrorKind::kResources, what + ": " + std::strerror(code));
  }

  pid_t process_ = -1;
  int output_ = -1;
};

}  // namespace

// JSON comes whether or not the token shows any text, but only after the step that puts the token
// into the cache.
std::optional<Measurement> TimeToFirstToken(const StartSettings& settings,
                                            const std::string& prompt, int repetitions,
                                            const ProgressCallback& on_progress) {
  Measurement result;
  for (int i = 0; i < repetitions; ++i) {
    if (on_progress && !on_progress({"start to first token", i, repetitions})) return std::nullopt;
    const Clock::time_point begin = Clock::now();
    Child child({"gemma3n",
                 "run",
                 "--config",
                 "/dev/null",
                 "--quiet",
                 "--raw",
                 "--json",
                 "--temp",
                 "0",
                 "--max-tokens",
                 "1",
                 "-m",
                 settings.model,
                 "--threads",
                 std::to_string(settings.threads),
                 "--ctx",
                 std::to_string(settings.context),
                 "--kv",
                 settings.kv,
                 settings.resident ? "--resident=true" : "--resident=false",
                 "--size",
                 settings.size,
                 prompt});
    if (!child.WaitForFirstByte()) return std::nullopt;
    result.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    const PeakMemory memory = MemoryOfProcess(child.process());
    if (memory.resident_bytes > result.memory.resident_bytes) result.memory = memory;
  }
  return result;
}

}  // namespace gemma3n::cli
