// SPDX-License-Identifier: Apache-2.0
// One line on standard error while a microphone is listened to: the level of sound, and what has
// been understood of the sentence under way. Nothing where that is no terminal.
#pragma once

#include <chrono>
#include <span>
#include <string>

namespace gemma3n::cli {

class LiveLine {
 public:
  explicit LiveLine(bool enabled);
  ~LiveLine() { Clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void Hear(std::span<const float> samples);
  void Say(const std::string& partial);
  void Clear();

 private:
  void Draw();

  bool enabled_, drawn_ = false;
  std::string levels_, partial_;
  std::chrono::steady_clock::time_point last_;
  float loudest_ = 0;
};

}  // namespace gemma3n::cli
