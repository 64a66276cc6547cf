// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/utterance.h"

#include <gtest/gtest.h>

#include "gemma3n/error.h"
#include "speech/test_sounds.h"

namespace gemma3n {
namespace {

using Kind = UtteranceEvent::Kind;
using test_sounds::Babble;
using test_sounds::Joined;
using test_sounds::Noise;
using test_sounds::Silence;

struct Heard {
  std::vector<Kind> kinds;       // without kMore
  std::vector<double> at_s;      // when each came, as far as 20 ms tell
  std::vector<float> under_way;  // what was given before the last end
  std::vector<std::vector<float>> clips;
};

void Hear(Utterances& utterances, std::span<const float> sound, Heard& heard, double from_s = 0,
          size_t piece = 320) {
  for (size_t begin = 0; begin < sound.size(); begin += piece) {
    const auto part = sound.subspan(begin, std::min(piece, sound.size() - begin));
    for (const UtteranceEvent& event : utterances.Push(part)) {
      if (event.kind == Kind::kBegin) heard.under_way.clear();
      heard.under_way.insert(heard.under_way.end(), event.samples.begin(), event.samples.end());
      if (event.kind == Kind::kMore) continue;
      heard.kinds.push_back(event.kind);
      heard.at_s.push_back(from_s + static_cast<double>(begin + part.size()) / 16000);
      if (event.clip) heard.clips.push_back(event.clip->samples);
    }
  }
}

Heard HeardOf(const std::vector<float>& sound, const UtteranceOptions& options = {},
              size_t piece = 320) {
  Heard heard;
  Hear(*Utterances::New(options), sound, heard, 0, piece);
  return heard;
}

TEST(Utterances, EndsWithAPause) {
  const Heard heard = HeardOf(Joined({Silence(1), Babble(1.5), Silence(2)}));
  ASSERT_EQ(heard.kinds, (std::vector{Kind::kBegin, Kind::kMayEnd, Kind::kEnd}));
  EXPECT_NEAR(heard.at_s[0], 1.1, 0.1);
  EXPECT_NEAR(heard.at_s[1], 2.7, 0.1);
  EXPECT_NEAR(heard.at_s[2], 3.2, 0.1);
  ASSERT_EQ(heard.clips.size(), 1u);
  EXPECT_EQ(heard.clips[0], heard.under_way);
  // The speech, a moment before it and one behind, and not the pause.
  EXPECT_NEAR(static_cast<double>(heard.clips[0].size()) / 16000, 1.5 + 0.12 + 0.16, 0.1);
}

TEST(Utterances, BeginsAsLongBeforeTheFirstSoundAsItIsTold) {
  const std::vector<float> sound = Joined({Silence(2), Babble(1.5), Silence(2)});
  const size_t usual = HeardOf(sound).clips.at(0).size();
  EXPECT_EQ(HeardOf(sound, {.lead_s = 0}).clips.at(0).size(), usual - 6 * 320);
  EXPECT_EQ(HeardOf(sound, {.lead_s = 0.52}).clips.at(0).size(), usual + 20 * 320);
}

TEST(Utterances, WhatIsQuieterThanItIsToldIsNone) {
  std::vector<float> sound = Joined({Silence(1), Babble(1.5), Silence(1)});
  for (float& sample : sound) sample *= 0.1f;
  EXPECT_EQ(HeardOf(sound).clips.size(), 1u);
  EXPECT_EQ(HeardOf(sound, {.least_decibel = -60}).clips, HeardOf(sound).clips);
  EXPECT_TRUE(HeardOf(sound, {.least_decibel = -20}).kinds.empty());
}

TEST(Utterances, AShortPauseIsPartOfIt) {
  const std::vector<float> sound =
      Joined({Silence(1), Babble(1), Silence(0.4), Babble(1), Silence(1)});
  const Heard heard = HeardOf(sound);
  ASSERT_EQ(heard.kinds, (std::vector{Kind::kBegin, Kind::kMayEnd, Kind::kMayEnd, Kind::kEnd}));
  EXPECT_EQ(heard.clips[0], heard.under_way);
  // It is a piece of the sound, without a gap.
  const auto at =
      std::search(sound.begin(), sound.end(), heard.clips[0].begin(), heard.clips[0].end());
  EXPECT_NE(at, sound.end());
}

TEST(Utterances, HowTheSoundIsCutChangesNothing) {
  const std::vector<float> sound =
      Joined({Noise(1, 0.001f), Babble(1.2), Silence(1), Babble(0.8), Silence(1)});
  const Heard whole = HeardOf(sound, {}, sound.size());
  EXPECT_EQ(whole.clips.size(), 2u);
  for (const size_t piece : {1u, 100u, 321u, 4000u}) {
    const Heard heard = HeardOf(sound, {}, piece);
    EXPECT_EQ(heard.kinds, whole.kinds);
    EXPECT_EQ(heard.clips, whole.clips);
  }
}

TEST(Utterances, ALongOneEndsWhereTheModelStopsHearing) {
  const Heard heard =
      HeardOf(Joined({Silence(0.5), Babble(7), Silence(1)}), {.most_s = 3, .least_likeness = 0});
  ASSERT_EQ(heard.clips.size(), 3u);
  EXPECT_EQ(heard.clips[0].size(), 48000u);
  EXPECT_EQ(heard.clips[1].size(), 48000u);
  EXPECT_LT(heard.clips[2].size(), 48000u);
}

TEST(Utterances, WhatIsNoSpeechIsNone) {
  std::vector<float> click = Silence(3);
  for (size_t i = 0; i < 200; ++i) click[16000 + i] = i % 2 == 0 ? 0.8f : -0.8f;
  EXPECT_TRUE(HeardOf(click).kinds.empty());
  EXPECT_TRUE(HeardOf(Silence(5)).kinds.empty());
  EXPECT_TRUE(HeardOf(Joined({Silence(1), Noise(3, 0.1f), Silence(2)})).clips.empty());
  const std::vector<float> tones = Joined({Silence(1), test_sounds::Tones(2, 0.1f), Silence(2)});
  EXPECT_EQ(HeardOf(tones).kinds.back(), Kind::kNone);
  EXPECT_EQ(HeardOf(tones, {.least_likeness = 0}).kinds.back(), Kind::kEnd);
}

TEST(Utterances, FinishEndsTheOneUnderWay) {
  const auto utterances = Utterances::New();
  Heard heard;
  Hear(*utterances, Joined({Silence(1), Babble(1)}), heard);
  EXPECT_TRUE(utterances->under_way());
  const std::vector<UtteranceEvent> events = utterances->Finish();
  ASSERT_EQ(events.size(), 1u);
  ASSERT_EQ(events[0].kind, Kind::kEnd);
  EXPECT_EQ(events[0].clip->samples, heard.under_way);
  EXPECT_FALSE(utterances->under_way());
  EXPECT_TRUE(utterances->Finish().empty());
}

TEST(Utterances, OurOwnVoiceIsNobodys) {
  const auto utterances = Utterances::New();
  Heard heard;
  Hear(*utterances, Silence(1), heard);
  utterances->BesideOwnVoice(true);
  Hear(*utterances, Joined({Silence(0.3), Babble(6, 0.02f)}), heard, 1);
  EXPECT_TRUE(heard.kinds.empty());
  Hear(*utterances, Joined({Babble(1, 0.2f), Silence(2)}), heard, 7.3);
  ASSERT_FALSE(heard.kinds.empty());
  EXPECT_EQ(heard.kinds.front(), Kind::kBegin);
  EXPECT_NEAR(heard.at_s.front(), 7.3 + 0.4, 0.2);
  // Without it the same sound would have been one.
  Heard plain = HeardOf(Joined({Silence(1.3), Babble(6, 0.02f), Silence(2)}));
  EXPECT_FALSE(plain.clips.empty());
}

TEST(Utterances, WhoInterruptsSpeaksForAMoment) {
  const auto utterances = Utterances::New();
  Heard heard;
  utterances->BesideOwnVoice(true);
  Hear(*utterances, Joined({Silence(2), Babble(0.2), Silence(2)}), heard);
  EXPECT_TRUE(heard.kinds.empty());
  Hear(*utterances, Joined({Babble(1), Silence(2)}), heard);  // as with headphones: no echo
  ASSERT_EQ(heard.kinds.front(), Kind::kBegin);
  ASSERT_EQ(heard.clips.size(), 1u);
  EXPECT_NEAR(static_cast<double>(heard.clips[0].size()) / 16000, 1.3, 0.15);  // all of it
}

TEST(Utterances, TheEchoOfOurOwnVoiceIsWaitedFor) {
  const auto utterances = Utterances::New();
  Heard heard;
  utterances->BesideOwnVoice(true);
  Hear(*utterances, Joined({Silence(0.3), Babble(3, 0.02f)}), heard);
  utterances->BesideOwnVoice(false);
  Hear(*utterances, Joined({Babble(0.3, 0.02f), Silence(1)}), heard);
  EXPECT_TRUE(heard.kinds.empty());
  Hear(*utterances, Joined({Babble(1, 0.02f), Silence(1)}), heard);  // now it is somebody
  EXPECT_EQ(heard.clips.size(), 1u);
}

TEST(Utterances, OptionsAreChecked) {
  EXPECT_THROW(Utterances::New({.most_s = 0.5}), Error);
  EXPECT_THROW(Utterances::New({.pause_s = 0.1, .may_end_s = 0.2}), Error);
  EXPECT_THROW(Utterances::New({.least_likeness = 2}), Error);
}

}  // namespace
}  // namespace gemma3n
