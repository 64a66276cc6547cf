// SPDX-License-Identifier: Apache-2.0
// Decoded sound of any rate and channel count, piece by piece -> 16 kHz mono, piece by piece. The
// samples that come out do not depend on the sizes of the pieces. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gemma3n/media.h"
#include "media/resample.h"

namespace gemma3n {

// Samples that are no number become 0, and none is louder than this (full scale is 1), so that
// nothing after us meets an infinity.
inline constexpr float kLoudestSample = 65536.0f;

class MonoConverter {
 public:
  // `name` stands for the file in messages; more than `most_s` seconds of sound are refused.
  MonoConverter(std::string name, const MediaLimits& limits, double most_s)
      : name_(std::move(name)), limits_(limits), most_s_(most_s) {}

  // Refuses a rate, a channel count or a length that a header announces. Throws Error(kMedia).
  void Check(int64_t rate_hz, int64_t channels, double seconds) const;

  // `interleaved` [frames, channels]; appends to `out` what is ready. A new rate starts a new piece
  // of sound after the last one. Throws Error(kMedia) once there was too much.
  void Push(std::span<const float> interleaved, int channels, int rate_hz, std::vector<float>& out);

  // Appends the rest.
  void Finish(std::vector<float>& out);

  double pushed_s() const;

 private:
  std::string name_;
  MediaLimits limits_;
  double most_s_;
  double earlier_s_ = 0;  // at other rates
  uint64_t frames_ = 0;   // at this one: a sum of seconds would not be exact
  std::optional<Resampler> resampler_;
  std::vector<float> mono_;
};

}  // namespace gemma3n
