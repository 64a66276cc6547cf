// SPDX-License-Identifier: Apache-2.0
#include "speech/voice_activity.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

constexpr float kQuietest = -100;   // decibel: digital silence
constexpr float kAudible = -55;     // nothing below it is speech
constexpr float kOn = 9, kOff = 6;  // decibel above the floor
constexpr int64_t kFramesPerSecond = VoiceActivity::kRateHz / VoiceActivity::kFrame;
constexpr size_t kFloorSeconds = 4;   // of late
constexpr float kLoudestFloor = -25;  // decibel: louder sound is not taken for quiet
constexpr int64_t kDecimation = 4;    // to 4 kHz, where a pitch shows as well
constexpr int64_t kShortestLag = 10, kLongestLag = 64;  // at 4 kHz: 400 Hz, 62.5 Hz

float Decibel(double mean_square) {
  return mean_square <= 1e-10 ? kQuietest : static_cast<float>(10 * std::log10(mean_square));
}

constexpr float kFaintVoice = 0.5f;  // periodicity: of noise it is 0.4 at most
constexpr int kLongestHiss = 20;     // frames

struct Pitch {
  float periodicity, hz;
};

// The lag at which x is most alike to itself, by normalized correlation over its first part.
Pitch FindPitch(std::span<const float> x) {
  const int64_t length = static_cast<int64_t>(x.size()) - kLongestLag;
  double best = 0;
  int64_t best_lag = kLongestLag;
  for (int64_t lag = kShortestLag; lag <= kLongestLag; ++lag) {
    double product = 0, here = 1e-9, there = 1e-9;
    for (int64_t i = 0; i < length; ++i) {
      const double a = x[static_cast<size_t>(i)], b = x[static_cast<size_t>(i + lag)];
      product += a * b;
      here += a * a;
      there += b * b;
    }
    const double alike = product / std::sqrt(here * there);
    // A multiple of the period is as good as the period itself: the first one counts.
    if (alike > best * 1.05) {
      best = alike;
      best_lag = lag;
    }
  }
  return {static_cast<float>(std::clamp(best, 0.0, 1.0)),
          static_cast<float>(VoiceActivity::kRateHz / kDecimation) / static_cast<float>(best_lag)};
}

}  // namespace

// The quietest that it was in the last seconds: between words there is always a moment.
float VoiceActivity::Floor(float decibel) {
  // A recording may begin in the middle of a word: quiet is not louder than this before it is
  // heard.
  smoothed_ = frames_ == 0 ? std::min(decibel, -60.0f) : smoothed_ + 0.3f * (decibel - smoothed_);
  if (frames_ % kFramesPerSecond == 0) {
    quietest_.push_back(smoothed_);
    if (quietest_.size() > kFloorSeconds) quietest_.pop_front();
  }
  quietest_.back() = std::min(quietest_.back(), smoothed_);
  ++frames_;
  return std::min(kLoudestFloor, *std::min_element(quietest_.begin(), quietest_.end()));
}

VoiceFrame VoiceActivity::Judge(std::span<const float> frame) {
  constexpr float kKeep = 0.9615f;  // one-pole high pass at 100 Hz
  double sum = 0;
  float four = 0;
  int crossings = 0;
  for (size_t i = 0; i < frame.size(); ++i) {
    const float before = high_pass_out_;
    high_pass_out_ = kKeep * (high_pass_out_ + (frame[i] - high_pass_in_));
    crossings += (before < 0) != (high_pass_out_ < 0);
    high_pass_in_ = frame[i];
    sum += static_cast<double>(high_pass_out_) * high_pass_out_;
    four += high_pass_out_;
    if (i % kDecimation == kDecimation - 1) {
      decimated_.push_back(four / kDecimation);
      four = 0;
    }
  }
  const size_t kept = 2 * static_cast<size_t>(kFrame / kDecimation);
  if (decimated_.size() > kept) {
    decimated_.erase(decimated_.begin(),
                     decimated_.begin() + static_cast<ptrdiff_t>(decimated_.size() - kept));
  }
  const float decibel = Decibel(sum / static_cast<double>(frame.size()));
  const float floor = Floor(decibel);
  active_ = decibel > kAudible && decibel > floor + (active_ ? kOff : kOn);
  const bool has_pitch = active_ && decimated_.size() == kept;
  const Pitch pitch = has_pitch ? FindPitch(decimated_) : Pitch{0, 0};
  const float share = static_cast<float>(crossings) / static_cast<float>(frame.size());
  VoiceFrame judged{decibel, pitch.periodicity, pitch.hz, share, active_};
  hiss_ = !active_ || pitch.periodicity > kFaintVoice ? 0 : hiss_ + 1;
  if (hiss_ > kLongestHiss) {
    // No consonant is so long. What it is is the quiet of this place from now on.
    judged.active = active_ = false;
    judged.taken_back = hiss_ - 1;
    hiss_ = 0;
    quietest_.assign(1, smoothed_);
  }
  return judged;
}

std::vector<VoiceFrame> VoiceActivity::Push(std::span<const float> samples) {
  std::vector<VoiceFrame> frames;
  rest_.insert(rest_.end(), samples.begin(), samples.end());
  size_t begin = 0;
  for (; begin + kFrame <= rest_.size(); begin += kFrame) {
    frames.push_back(Judge(std::span(rest_).subspan(begin, kFrame)));
  }
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(begin));
  return frames;
}

}  // namespace gemma3n
