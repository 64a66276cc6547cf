// SPDX-License-Identifier: Apache-2.0
#include "cli/live_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

constexpr std::chrono::milliseconds kEvery(100);
constexpr size_t kShown = 10;        // levels
constexpr size_t kBytesOfLevel = 3;  // U+2581 to U+2588 in UTF-8

// -60 decibel and less to full scale, in eight steps.
std::string Level(float loudest) {
  const double decibel = 20 * std::log10(std::max(loudest, 1e-6f));
  const int step = std::clamp(static_cast<int>((decibel + 60) / 60 * 8), 0, 7);
  return std::string("\xe2\x96") + static_cast<char>(0x81 + step);
}

size_t Columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

// The end of a text that is to take at most `count` characters.
std::string Tail(const std::string& text, size_t count) {
  size_t begin = text.size();
  for (size_t taken = 0; begin > 0 && taken < count; ++taken) {
    do {
      --begin;
    } while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80);
  }
  return text.substr(begin);
}

}  // namespace

LiveLine::LiveLine(bool enabled) : enabled_(enabled && TakesEscapeCodes(STDERR_FILENO)) {}

void LiveLine::Hear(std::span<const float> samples) {
  if (!enabled_) return;
  for (float sample : samples) loudest_ = std::max(loudest_, std::abs(sample));
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kEvery) return;
  last_ = now;
  levels_ += Level(loudest_);
  loudest_ = 0;
  if (levels_.size() > kShown * kBytesOfLevel) levels_.erase(0, kBytesOfLevel);
  Draw();
}

void LiveLine::Say(const std::string& partial) {
  partial_ = OneLine(partial);
  if (enabled_) Draw();
}

void LiveLine::Draw() {
  const size_t columns = Columns(), taken = kShown + 2;
  const std::string text = columns > taken ? Tail(partial_, columns - taken - 1) : "";
  std::fprintf(stderr, "\r\x1b[K%s  \x1b[2m%s\x1b[0m", levels_.c_str(), text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void LiveLine::Clear() {
  partial_.clear();
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace gemma3n::cli
