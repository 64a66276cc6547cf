// SPDX-License-Identifier: Apache-2.0
// A program of ours, started with one descriptor to read from and a pipe to answer into, watched
// while it works. One thread at a time.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "media/input_file.h"

namespace gemma3n {

class ChildProcess {
 public:
  // Starts words[0] with `words`, `environment` ("NAME=value"), `input` as descriptor 0, our pipe
  // as 1, /dev/null as 2 and no other. Throws Error(kResources).
  ChildProcess(const std::vector<std::string>& words, const Descriptor& input,
               const std::vector<std::string>& environment = {});
  // Kills the program if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The processor time it may have used by now; ten times as much may pass on the clock while Read
  // waits for it. While it waits for us, no clock runs.
  void set_cpu_limit_s(double seconds) { cpu_limit_s_ = seconds; }

  // How much more than that may pass on the clock: 10 times, unless set.
  void set_clock_factor(double factor) { clock_factor_ = factor; }

  // The processor time it has used; 0 after its end.
  double CpuSeconds() const;

  // The pipe it answers into, for another program to read; then Read may not be called any more.
  Descriptor TakeAnswer() { return std::move(answer_); }

  // How long one Read may wait, whatever else is allowed; no such limit unless set.
  void set_read_limit_s(double seconds) { read_limit_s_ = seconds; }

  // Makes Read kill the program and return false soon, now and from then on. May be called from any
  // thread.
  void Stop() { stopped_ = true; }

  // Asked while Read waits; false is as Stop.
  void set_goes_on(std::function<bool()> goes_on) { goes_on_ = std::move(goes_on); }

  // Fills `to`; false when the program closed its pipe or passed its limit (then it is killed).
  bool Read(void* to, size_t bytes);

  // Closes the pipe, waits a moment, then no longer, and returns the status as waitpid gives it; a
  // program that we killed for its limit counts as ended by SIGXCPU.
  int Wait();
  // It did not end by itself.
  bool killed() const { return killed_; }

 private:
  bool OverLimit(double waited_now_s) const;
  void Kill();

  pid_t pid_ = -1;
  Descriptor answer_;
  double cpu_limit_s_ = 0;
  double clock_factor_ = 10;  // a busy machine may starve the program
  double read_limit_s_ = std::numeric_limits<double>::infinity();
  std::atomic<bool> stopped_ = false;
  std::function<bool()> goes_on_;
  bool over_limit_ = false, killed_ = false;
  std::optional<int> status_;
  std::chrono::duration<double> waited_{0};
};

}  // namespace gemma3n
