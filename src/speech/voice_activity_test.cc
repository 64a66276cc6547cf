// SPDX-License-Identifier: Apache-2.0
#include "speech/voice_activity.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "speech/speech_likeness.h"
#include "speech/test_sounds.h"

namespace gemma3n {
namespace {

using namespace test_sounds;

double ActiveShare(const std::vector<float>& sound) {
  const std::vector<VoiceFrame> frames = VoiceActivity().Push(sound);
  const auto active = [](const VoiceFrame& frame) { return frame.active; };
  return static_cast<double>(std::count_if(frames.begin(), frames.end(), active)) /
         static_cast<double>(frames.size());
}

double Likeness(const std::vector<float>& sound) {
  return SpeechLikeness(VoiceActivity().Push(sound));
}

TEST(VoiceActivity, HearsSoundAfterQuiet) {
  EXPECT_EQ(ActiveShare(Silence(2)), 0);
  EXPECT_EQ(ActiveShare(Noise(2, 1e-4f)), 0);
  EXPECT_GT(ActiveShare(Joined({Silence(1), Babble(1)})), 0.35);
  EXPECT_GT(ActiveShare(Joined({Noise(1, 0.003f), Babble(1)})), 0.3);
  EXPECT_LT(ActiveShare(Joined({Silence(3), Babble(1), Silence(4)})), 0.15);
}

TEST(VoiceActivity, SteadyNoiseIsTakenForQuietAfterAWhile) {
  const std::vector<VoiceFrame> frames =
      VoiceActivity().Push(Joined({Silence(1), Noise(8, 0.01f)}));
  EXPECT_TRUE(frames[60].active);
  const auto ends = std::find_if(frames.begin(), frames.end(),
                                 [](const VoiceFrame& frame) { return frame.taken_back > 0; });
  ASSERT_NE(ends, frames.end());
  EXPECT_LT(ends - frames.begin(), 80);
  EXPECT_TRUE(std::none_of(ends, frames.end(), [](const VoiceFrame& f) { return f.active; }));
}

TEST(VoiceActivity, OddSamplesDoNoHarm) {
  for (float value : {1.0f, -1.0f, 65536.0f, 1e-30f}) {
    EXPECT_EQ(ActiveShare(std::vector<float>(32000, value)) > 0.5, false) << value;  // DC
  }
  std::vector<float> clipped = Babble(2, 100);
  for (float& sample : clipped) sample = std::clamp(sample, -1.0f, 1.0f);
  EXPECT_GT(ActiveShare(Joined({Silence(1), clipped})), 0.4);
}

TEST(VoiceActivity, HowSoundIsCutIntoCallsDoesNotMatter) {
  const std::vector<float> sound = Joined({Silence(0.3), Babble(1.234), Noise(0.5, 0.01f)});
  const std::vector<VoiceFrame> whole = VoiceActivity().Push(sound);
  VoiceActivity activity;
  std::vector<VoiceFrame> found;
  for (size_t begin = 0, size = 1; begin < sound.size(); begin += size, size = size * 7 % 1009) {
    const auto part = std::span(sound).subspan(begin, std::min(size, sound.size() - begin));
    for (const VoiceFrame& frame : activity.Push(part)) found.push_back(frame);
  }
  ASSERT_EQ(found.size(), whole.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].decibel, whole[i].decibel);
    EXPECT_EQ(found[i].periodicity, whole[i].periodicity);
    EXPECT_EQ(found[i].active, whole[i].active);
  }
}

TEST(VoiceActivity, FindsThePitch) {
  std::vector<float> sound = Silence(1);
  const std::vector<float> buzz = Tones(1, 0.1f);  // 220 and 330 Hz: 110 Hz together
  sound.insert(sound.end(), buzz.begin(), buzz.end());
  const VoiceFrame frame = VoiceActivity().Push(sound)[70];
  EXPECT_GT(frame.periodicity, 0.9f);
  EXPECT_NEAR(frame.pitch_hz, 110, 6);
}

TEST(SpeechLikeness, TellsSpeechFromNoiseAndTones) {
  EXPECT_GT(Likeness(Joined({Silence(0.5), Babble(3)})), 0.5);
  EXPECT_GT(Likeness(Joined({Silence(0.5), Babble(3, 0.02f)})), 0.5);
  EXPECT_EQ(SpeechLikeness(std::vector<VoiceFrame>(100, {-20, 0.2f, 200, 0.49f, true})), 0);
  EXPECT_LT(Likeness(Joined({Silence(0.5), Tones(3, 0.1f)})), 0.2);
  EXPECT_EQ(Likeness(Silence(2)), 0);
}

}  // namespace
}  // namespace gemma3n
