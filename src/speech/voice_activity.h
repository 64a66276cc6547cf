// SPDX-License-Identifier: Apache-2.0
// Where there is sound that may be speech: 16 kHz samples -> one verdict each 20 ms.
//
// A frame is active when it is clearly louder than the quiet of late. What tells speech from steady
// noise and from music is not decided here but over a whole stretch of frames (speech_likeness.h);
// this keeps of each frame what is needed for it.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace gemma3n {

struct VoiceFrame {
  float decibel;         // of full scale, 100 Hz to 8 kHz
  float periodicity;     // [0, 1]: how alike the sound is to itself a pitch period later
  float pitch_hz;        // of that period, 62.5 to 400
  float zero_crossings;  // of pairs of neighbouring samples, the share with a change of sign
  bool active;
  // So many frames before this one were called active and are not: a hiss that goes on and on.
  int taken_back = 0;
};

class VoiceActivity {
 public:
  static constexpr int64_t kRateHz = 16000;
  static constexpr int64_t kFrame = 320;  // samples

  // Frames that `samples` have completed, in order. How the sound is cut into calls does not
  // matter.
  std::vector<VoiceFrame> Push(std::span<const float> samples);

 private:
  VoiceFrame Judge(std::span<const float> frame);
  float Floor(float decibel);

  std::vector<float> rest_;       // samples of a frame that is not complete yet
  std::vector<float> decimated_;  // the last two frames at 4 kHz, for the pitch
  float high_pass_in_ = 0, high_pass_out_ = 0;
  std::deque<float> quietest_;  // of each of the last seconds, the quietest smoothed frame
  float smoothed_ = -100;
  int64_t frames_ = 0;
  bool active_ = false;
  int hiss_ = 0;  // frames without a voice since the last with one, while active
};

}  // namespace gemma3n
