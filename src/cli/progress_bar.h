// SPDX-License-Identifier: Apache-2.0
// A bar on standard error for work that takes over a second; nothing where that is no terminal.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "gemma3n/content.h"

namespace gemma3n::cli {

class ProgressBar {
 public:
  // What work counts: a rate is shown where that is bytes or seconds of sound or film.
  enum class Unit { kOther, kBytes, kSeconds };
  explicit ProgressBar(bool enabled, Unit unit = Unit::kOther);
  ~ProgressBar();

  // What is under way. A thread of the bar's own draws it, so that it moves also while the work
  // does not report.
  void Show(const Progress& progress);
  // Shows what it is told; false, which cancels, from Ctrl-C on.
  ProgressCallback Callback();
  // Takes the bar away until the next Show.
  void Clear();
  // The same; yet the next Show of the same work goes on, with what time has passed.
  void Hide();

 private:
  void KeepDrawing(const std::stop_token& stop);
  std::string Rate(double elapsed) const;
  void Draw();   // with mutex_ held
  void Erase();  // with mutex_ held

  bool enabled_;
  Unit unit_;
  std::mutex mutex_;
  std::condition_variable_any stopping_;
  Progress progress_{"", 0, 0};  // total 0: nothing is under way
  std::chrono::steady_clock::time_point begin_;
  int64_t begun_at_ = 0;  // what was done already
  bool drawn_ = false;
  std::jthread drawer_;  // last: it uses what stands above
};

}  // namespace gemma3n::cli
