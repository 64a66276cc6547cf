// SPDX-License-Identifier: Apache-2.0
#include "media/mono_converter.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

float Sane(float sample) {
  if (std::isnan(sample)) return 0.0f;
  if (std::isinf(sample)) return 0.0f;
  return std::clamp(sample, -kLoudestSample, kLoudestSample);
}

// The mean of the channels, added up in float32 in the order in which numpy does for librosa's
// to_mono: one after the other below eight, in pairs of pairs at eight.
float MeanOfChannels(const float* frame, int channels) {
  if (channels == 1) return Sane(frame[0]);
  float sum = 0;
  if (channels == 8) {
    float s[8];
    for (int c = 0; c < 8; ++c) s[c] = Sane(frame[c]);
    sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
  } else {
    for (int c = 0; c < channels; ++c) sum += Sane(frame[c]);
  }
  return sum / static_cast<float>(channels);
}

std::string Seconds(double seconds) {
  return std::to_string(static_cast<int64_t>(std::min(std::ceil(seconds), 9e15)));
}

}  // namespace

void MonoConverter::Check(int64_t rate_hz, int64_t channels, double seconds) const {
  if (channels < 1 || channels > limits_.sound_channels) {
    ThrowMedia(name_, "expected 1 to " + std::to_string(limits_.sound_channels) +
                          " sound channels, found " + std::to_string(channels));
  }
  if (rate_hz < limits_.sound_rate_min_hz || rate_hz > limits_.sound_rate_max_hz) {
    ThrowMedia(name_, "expected a sample rate of " + std::to_string(limits_.sound_rate_min_hz) +
                          " to " + std::to_string(limits_.sound_rate_max_hz) + " Hz, found " +
                          std::to_string(rate_hz));
  }
  if (seconds > most_s_) {
    ThrowMedia(name_, "the sound lasts " + Seconds(seconds) + " s or more, the limit is " +
                          Seconds(most_s_) + " s");
  }
}

double MonoConverter::pushed_s() const {
  return resampler_ ? earlier_s_ + static_cast<double>(frames_) / resampler_->from_hz()
                    : earlier_s_;
}

void MonoConverter::Push(std::span<const float> interleaved, int channels, int rate_hz,
                         std::vector<float>& out) {
  const size_t frames = interleaved.size() / static_cast<size_t>(channels);
  Check(rate_hz, channels, 0);
  if (resampler_ && resampler_->from_hz() != rate_hz) Finish(out);
  if (!resampler_) resampler_.emplace(rate_hz);
  frames_ += frames;
  Check(rate_hz, channels, pushed_s());
  mono_.resize(frames);
  for (size_t i = 0; i < frames; ++i)
    mono_[i] = MeanOfChannels(interleaved.data() + i * static_cast<size_t>(channels), channels);
  resampler_->Push(mono_, out);
}

void MonoConverter::Finish(std::vector<float>& out) {
  if (!resampler_) return;
  resampler_->Finish(out);
  earlier_s_ = pushed_s();
  frames_ = 0;
  resampler_.reset();
}

}  // namespace gemma3n
