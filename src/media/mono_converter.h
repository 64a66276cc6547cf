// SPDX-License-Identifier: Apache-2.0
// Decoded sound of any rate and channel count, piece by piece -> one 16 kHz mono clip.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/media.h"
#include "media/resample.h"

namespace gemma3n {

// Samples that are no number become 0, and none is louder than this (full scale is 1), so that
// nothing after us meets an infinity.
inline constexpr float kLoudestSample = 65536.0f;

class SoundCollector {
 public:
  // `name` stands for the file in messages.
  SoundCollector(std::string name, const MediaLimits& limits)
      : name_(std::move(name)), limits_(limits) {}

  // Refuses a rate, a channel count or a length that a header announces. Throws Error(kMedia).
  void Check(int64_t rate_hz, int64_t channels, double seconds) const;

  // `interleaved` [frames, channels]. A new rate starts a new piece of sound after the last one.
  // Throws Error(kMedia) once the clip is over its limit.
  void Push(std::span<const float> interleaved, int channels, int rate_hz);

  // Everything pushed so far, at 16 kHz.
  AudioClip Finish();

 private:
  std::string name_;
  const MediaLimits& limits_;
  double seconds_ = 0;
  std::optional<Resampler> resampler_;
  std::vector<float> mono_;
  AudioClip clip_;
};

}  // namespace gemma3n
