// SPDX-License-Identifier: Apache-2.0
#include "media/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int kPollMs = 100;  // how often the limits are looked at

// A copy above the three standard descriptors, so that placing one of these overwrites none.
Descriptor CopyAboveStandard(int fd) {
  Descriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (copy.get() < 0) throw Error(ErrorKind::kResources, "too many open files");
  return copy;
}

class SpawnActions {
 public:
  SpawnActions() {
    CHECK_EQ(posix_spawn_file_actions_init(&actions_), 0);
    CHECK_EQ(posix_spawnattr_init(&attributes_), 0);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  // Signals as a fresh program expects them, whatever this thread blocks or ignores.
  int Prepare(int input, int output) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setsigmask(&attributes_, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(&attributes_, &all);
    // A group of its own: Ctrl-C on the terminal is for us to handle.
    if (error == 0) {
      error = posix_spawnattr_setflags(
          &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions_, input, 0);
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions_, output, 1);
    if (error == 0)
      error = posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    return error;
  }

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Ends with a null pointer, as the system wants it.
std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& words, const Descriptor& input,
                           const std::vector<std::string>& environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error(ErrorKind::kResources, "cannot make a pipe");
  answer_ = Descriptor(ends[0]);
  const Descriptor write_end(ends[1]);
  const Descriptor output = CopyAboveStandard(write_end.get());
  const Descriptor file = CopyAboveStandard(input.get());

  const std::vector<char*> arguments = Pointers(words), variables = Pointers(environment);
  SpawnActions spawn;
  int error = spawn.Prepare(file.get(), output.get());
  if (error == 0) {
    error = posix_spawn(&pid_, arguments[0], spawn.actions(), spawn.attributes(), arguments.data(),
                        variables.data());
  }
  if (error != 0) {
    pid_ = -1;
    throw Error(ErrorKind::kResources, words[0] + ": cannot be started: " + std::strerror(error));
  }
}

ChildProcess::~ChildProcess() {
  if (pid_ < 0 || status_) return;
  Kill();
  Wait();
}

void ChildProcess::Kill() {
  if (pid_ > 0 && !status_) kill(pid_, SIGKILL);
  killed_ = true;
}

double ChildProcess::CpuSeconds() const {
  clockid_t clock;
  timespec used;
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

bool ChildProcess::OverLimit(double waited_now_s) const {
  return waited_now_s > read_limit_s_ || waited_.count() > cpu_limit_s_ * clock_factor_ ||
         CpuSeconds() > cpu_limit_s_;
}

bool ChildProcess::Read(void* to, size_t bytes) {
  auto* next = static_cast<char*>(to);
  const auto waited_before = waited_;
  while (bytes > 0) {
    pollfd wait = {answer_.get(), POLLIN, 0};
    const auto before = std::chrono::steady_clock::now();
    const int ready = poll(&wait, 1, kPollMs);
    waited_ += std::chrono::steady_clock::now() - before;
    if (stopped_ || (goes_on_ && !goes_on_())) {
      Kill();
      return false;
    }
    if (OverLimit((waited_ - waited_before).count())) {
      over_limit_ = true;
      Kill();
      return false;
    }
    if (ready <= 0) continue;  // nothing yet, or a signal of ours
    const ssize_t got = read(answer_.get(), next, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    next += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

int ChildProcess::Wait() {
  if (status_) return *status_;
  answer_.Close();
  if (!killed_) {
    // It closed its pipe, so it is about to end; if it is not, it ends here.
    for (int i = 0; i < 50 && !status_; ++i) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
      if (!status_) poll(nullptr, 0, 20);
    }
    if (status_) return *status_;
    Kill();
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  status_ = over_limit_ ? SIGXCPU : status;  // a bare signal number is "ended by that signal"
  return *status_;
}

}  // namespace gemma3n
