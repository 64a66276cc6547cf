// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

namespace gemma3n::cli {
namespace {

constexpr int kInterruptedExit = 130;
constexpr double kQuietSeconds = 1.0;  // shorter work shows no bar

volatile std::sig_atomic_t interrupts = 0;

void OnInterrupt(int) {
  interrupts = interrupts + 1;
  if (interrupts > 1) _exit(kInterruptedExit);
}

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

void CatchInterrupts() {
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end
}
bool Interrupted() {
  return interrupts > 0;
}
void ClearInterrupt() {
  interrupts = 0;
}

std::string ShowControls(const std::string& text) {
  std::string shown;
  for (char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\x%02x", byte);
      shown += code;
    } else {
      shown += c;
    }
  }
  return shown;
}

bool IsTerminal(int descriptor) {
  return isatty(descriptor) == 1;
}

ProgressBar::ProgressBar(bool enabled)
    : enabled_(enabled && IsTerminal(STDERR_FILENO)), begin_(std::chrono::steady_clock::now()) {}

void ProgressBar::Show(const Progress& progress) {
  if (!enabled_ || progress.total <= 0) return;
  if (progress.what != what_) {
    Clear();
    what_ = progress.what;
    begin_ = std::chrono::steady_clock::now();
  }
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  if (elapsed < kQuietSeconds) return;
  const double share = std::clamp(
      static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0, 1.0);
  const int columns = TerminalColumns();
  const int cells = std::clamp(columns - static_cast<int>(what_.size()) - 34, 5, 30);
  std::string bar;
  for (int i = 0; i < cells; ++i) bar += i < share * cells ? "#" : "-";
  const double left = share > 0 ? elapsed * (1 - share) / share : 0;
  std::fprintf(stderr, "\r%s [%s] %3.0f %%  %.0f s left \x1b[K", what_.c_str(), bar.c_str(),
               share * 100, left);
  std::fflush(stderr);
  shown_ = true;
}

void ProgressBar::Clear() {
  if (shown_) std::fprintf(stderr, "\r\x1b[K");
  shown_ = false;
}

}  // namespace gemma3n::cli
