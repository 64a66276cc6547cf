// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_bar.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/terminal.h"
#include "cli/transcript.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kQuietSeconds = 1.0;  // shorter work shows no bar
constexpr std::chrono::milliseconds kBetweenDrawings{200};

size_t TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

ProgressBar::ProgressBar(bool enabled, Unit unit)
    : enabled_(enabled && TakesEscapeCodes(STDERR_FILENO)), unit_(unit) {
  if (enabled_) drawer_ = std::jthread([this](const std::stop_token& stop) { KeepDrawing(stop); });
}

ProgressBar::~ProgressBar() {
  if (!enabled_) return;
  drawer_.request_stop();
  drawer_.join();
  Clear();
}

void ProgressBar::Show(const Progress& progress) {
  if (!enabled_ || progress.total <= 0) return;
  const std::lock_guard lock(mutex_);
  if (progress.what != progress_.what) {
    begin_ = Clock::now();
    begun_at_ = progress.done;
  }
  progress_ = progress;
}

ProgressCallback ProgressBar::Callback() {
  return [this](const Progress& progress) {
    Show(progress);
    return !Interrupted();
  };
}

void ProgressBar::Clear() {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  Erase();
  progress_ = {"", 0, 0};
}

void ProgressBar::Hide() {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  Erase();
  progress_.total = 0;
}

void ProgressBar::KeepDrawing(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, stop, kBetweenDrawings, [&] { return stop.stop_requested(); })) {
    if (progress_.total > 0) Draw();
  }
}

std::string ProgressBar::Rate(double elapsed) const {
  const double done = static_cast<double>(progress_.done - begun_at_);
  char rate[64] = "";
  if (unit_ == Unit::kBytes) {
    std::snprintf(rate, sizeof(rate), "  %.0f MB/s", done / elapsed / 1e6);
  } else if (unit_ == Unit::kSeconds) {
    std::snprintf(rate, sizeof(rate), "  %s/%s  %.1f x real time",
                  ShortClock(static_cast<double>(progress_.done)).c_str(),
                  ShortClock(static_cast<double>(progress_.total)).c_str(), done / elapsed);
  }
  return rate;
}

void ProgressBar::Draw() {
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin_).count();
  if (elapsed < kQuietSeconds) return;
  const double share = std::clamp(
      static_cast<double>(progress_.done) / static_cast<double>(progress_.total), 0.0, 1.0);
  const std::string rate = Rate(elapsed);
  const size_t columns = TerminalColumns();
  const size_t words = progress_.what.size() + rate.size() + 34;
  const size_t cells = columns > words ? std::min<size_t>(columns - words, 30) : 0;
  const size_t full = static_cast<size_t>(share * static_cast<double>(cells));
  const std::string bar =
      cells == 0 ? "" : "[" + std::string(full, '#') + std::string(cells - full, '-') + "] ";
  char numbers[128];
  const double done = static_cast<double>(progress_.done - begun_at_);
  if (done > 0) {
    std::snprintf(numbers, sizeof(numbers), "%3.0f %%%s  %.0f s left", share * 100, rate.c_str(),
                  elapsed * static_cast<double>(progress_.total - progress_.done) / done);
  } else {
    std::snprintf(numbers, sizeof(numbers), "%.0f s", elapsed);
  }
  std::string line = progress_.what + " " + bar + numbers;
  if (line.size() >= columns) line.resize(columns - 1);  // a wrapped line could not be erased
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressBar::Erase() {
  if (drawn_) std::fprintf(stderr, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace gemma3n::cli
