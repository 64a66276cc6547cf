// SPDX-License-Identifier: Apache-2.0
#include "speech/speech_likeness.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gemma3n {
namespace {

constexpr float kVoiced = 0.75f;  // periodicity
constexpr size_t kTelling = 25;   // active frames

// 0 below `low`, 1 above `high`, straight in between.
double Ramp(double value, double low, double high) {
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

double Deviation(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (double value : values) sum += value;
  const double count = static_cast<double>(values.size()), mean = sum / count;
  for (double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / count);
}

}  // namespace

double SpeechLikeness(std::span<const VoiceFrame> frames) {
  std::vector<double> decibels, crossings;
  double active = 0, voiced = 0, pairs = 0, still = 0;
  const VoiceFrame* before = nullptr;
  for (const VoiceFrame& frame : frames) {
    if (!frame.active) {
      before = nullptr;
      continue;
    }
    ++active;
    decibels.push_back(std::max(-60.0, static_cast<double>(frame.decibel)));
    crossings.push_back(frame.zero_crossings);
    const bool is_voiced = frame.periodicity > kVoiced;
    voiced += is_voiced;
    if (is_voiced && before != nullptr) {
      ++pairs;
      still += before->pitch_hz == frame.pitch_hz;
    }
    before = is_voiced ? &frame : nullptr;
  }
  if (active == 0) return 0;
  if (active < kTelling) return 0.5;
  // Steady sound keeps within a few decibels.
  const double swells = Ramp(Deviation(decibels), 2, 4);
  const double has_voice = Ramp(voiced / active, 0.03, 0.12);
  // A tone stays where it is; speech glides through several of our coarse steps of pitch.
  const double glides = pairs < 10 ? 1 : Ramp(1 - still / pairs, 0.05, 0.2);
  // Hissing consonants between vowels; a melody is all of one kind.
  const double alternates = Ramp(Deviation(crossings), 0.016, 0.032);
  return std::min({swells, has_voice, glides, alternates});
}

}  // namespace gemma3n
