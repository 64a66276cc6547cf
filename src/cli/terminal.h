// SPDX-License-Identifier: Apache-2.0
// What the terminal shows and how it interrupts: progress on standard error, answers on standard
// output with escape codes made visible, Ctrl-C as a flag.
#pragma once

#include <chrono>
#include <string>

#include "gemma3n/content.h"

namespace gemma3n::cli {

// Catches SIGINT from here on: the first sets a flag, a second one within the same work ends the
// process with 130.
void CatchInterrupts();
bool Interrupted();
void ClearInterrupt();

// Control characters other than newline and tab as "\x1b"; for terminals only.
std::string ShowControls(const std::string& text);

bool IsTerminal(int descriptor);

// A bar on standard error for work that takes over a second; nothing where that is no terminal.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar() { Clear(); }
  void Show(const Progress& progress);
  void Clear();

 private:
  bool enabled_;
  bool shown_ = false;
  std::string what_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace gemma3n::cli
