// SPDX-License-Identifier: Apache-2.0
#include "speech/pieces.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "speech/test_sounds.h"

namespace gemma3n {
namespace {

using namespace test_sounds;

std::vector<Piece> Cut(const std::vector<float>& sound, const PieceCutter::Options& options,
                       size_t at_once = 1000) {
  PieceCutter cutter(options);
  std::vector<Piece> pieces;
  for (size_t begin = 0; begin < sound.size(); begin += at_once) {
    const size_t count = std::min(at_once, sound.size() - begin);
    for (Piece& piece : cutter.Push(std::span(sound).subspan(begin, count))) {
      pieces.push_back(std::move(piece));
    }
  }
  for (Piece& piece : cutter.Finish()) pieces.push_back(std::move(piece));
  return pieces;
}

double Seconds(int64_t samples) {
  return static_cast<double>(samples) / 16000;
}

TEST(PieceCutter, EndsAtPausesAndSaysWhere) {
  const auto pieces = Cut(Joined({Silence(2), Babble(1.5), Silence(3), Babble(2), Silence(1)}), {});
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_NEAR(Seconds(pieces[0].speech_begin), 2, 0.1);
  EXPECT_NEAR(Seconds(pieces[0].speech_end), 3.5, 0.1);
  EXPECT_NEAR(Seconds(pieces[1].speech_begin), 6.5, 0.1);
  EXPECT_NEAR(Seconds(pieces[1].speech_end), 8.5, 0.1);
  EXPECT_FALSE(pieces[0].overlaps || pieces[1].overlaps);
  EXPECT_GT(pieces[1].likeness, 0.5);
}

TEST(PieceCutter, PiecesHoldTheSamplesThatStandThere) {
  std::vector<float> sound = Joined({Silence(2), Babble(1.5), Silence(3), Babble(2), Silence(1)});
  for (const Piece& piece : Cut(sound, {})) {
    ASSERT_LE(piece.first_sample + static_cast<int64_t>(piece.samples.size()),
              static_cast<int64_t>(sound.size()));
    EXPECT_TRUE(
        std::equal(piece.samples.begin(), piece.samples.end(), sound.begin() + piece.first_sample));
    EXPECT_LE(piece.first_sample, piece.speech_begin);
    EXPECT_GE(piece.first_sample + static_cast<int64_t>(piece.samples.size()), piece.speech_end);
  }
}

TEST(PieceCutter, WithoutPauseTheyOverlapAndLeaveNothingOut) {
  const std::vector<float> sound = Joined({Silence(1), Babble(25, 0.2f, 0.5), Silence(1)});
  const auto pieces = Cut(sound, {.most_s = 4, .overlap_s = 0.8});
  ASSERT_GE(pieces.size(), 7u);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_LE(Seconds(static_cast<int64_t>(pieces[i].samples.size())), 4.001);
    if (i == 0) continue;
    const int64_t end =
        pieces[i - 1].first_sample + static_cast<int64_t>(pieces[i - 1].samples.size());
    EXPECT_EQ(pieces[i].overlaps, pieces[i].first_sample < end);
    EXPECT_LE(pieces[i].first_sample, end);
  }
  EXPECT_TRUE(
      std::any_of(pieces.begin(), pieces.end(), [](const Piece& piece) { return piece.overlaps; }));
}

TEST(PieceCutter, ALongSentenceIsCutAtItsShortPauses) {
  std::vector<float> sound = Silence(1);
  for (int i = 0; i < 12; ++i) {
    const std::vector<float> word = Joined({Babble(0.8), Silence(0.3)});
    sound.insert(sound.end(), word.begin(), word.end());
  }
  const auto pieces = Cut(sound, {.most_s = 4});
  EXPECT_GE(pieces.size(), 4u);
  for (const Piece& piece : pieces) EXPECT_FALSE(piece.overlaps);
}

TEST(PieceCutter, ClicksAndSilenceAreNoPieces) {
  EXPECT_TRUE(Cut(Silence(10), {}).empty());
  std::vector<float> click = Silence(4);
  click[32000] = 1;
  EXPECT_TRUE(Cut(click, {}).empty());
  EXPECT_TRUE(Cut(Joined({Silence(1), Noise(6, 0.05f), Silence(1)}), {}).empty());
  EXPECT_TRUE(Cut({}, {}).empty());
}

TEST(PieceCutter, HowSoundIsCutIntoCallsDoesNotMatter) {
  const std::vector<float> sound =
      Joined({Silence(1), Babble(3), Silence(1), Babble(9, 0.1f, 0.7), Noise(2, 0.003f)});
  const auto whole = Cut(sound, {.most_s = 3}, sound.size());
  for (size_t at_once : {1u, 319u, 16000u}) {
    const auto found = Cut(sound, {.most_s = 3}, at_once);
    ASSERT_EQ(found.size(), whole.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].first_sample, whole[i].first_sample);
      EXPECT_EQ(found[i].samples, whole[i].samples);
      EXPECT_EQ(found[i].overlaps, whole[i].overlaps);
    }
  }
}

TEST(PieceCutter, GoesOnInTheMiddleOfARecording) {
  PieceCutter cutter({});
  cutter.BeginAt(320 * 1000);
  cutter.Push(Joined({Silence(1), Babble(1), Silence(0.2)}));
  const auto pieces = cutter.Finish();
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_NEAR(Seconds(pieces[0].speech_begin), 21, 0.1);
}

}  // namespace
}  // namespace gemma3n
