// SPDX-License-Identifier: Apache-2.0
#include "cli/answer_metrics.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(WordErrorRate, CountsInsertionsDeletionsAndReplacements) {
  EXPECT_EQ(WordErrorRate("turn on the light", "turn on the light"), 0);
  EXPECT_EQ(WordErrorRate("turn on the light", "  turn on\nthe   light "), 0);
  EXPECT_DOUBLE_EQ(WordErrorRate("turn on the light", "turn off the light"), 0.25);
  EXPECT_DOUBLE_EQ(WordErrorRate("turn on the light", "on the light"), 0.25);
  EXPECT_DOUBLE_EQ(WordErrorRate("turn on the light", "please turn on the red light"), 0.5);
  EXPECT_DOUBLE_EQ(WordErrorRate("turn on the light", ""), 1);
  EXPECT_DOUBLE_EQ(WordErrorRate("yes", "no no no"), 3);
  EXPECT_DOUBLE_EQ(WordErrorRate("", ""), 0);
  EXPECT_DOUBLE_EQ(WordErrorRate("", "two words"), 2);
}

TEST(CharacterErrorRate, CountsCharactersNotBytes) {
  EXPECT_EQ(CharacterErrorRate("fenêtre", "fenêtre"), 0);
  EXPECT_DOUBLE_EQ(CharacterErrorRate("fenêtre", "fenetre"), 1.0 / 7);
  EXPECT_DOUBLE_EQ(CharacterErrorRate("a b", "ab"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(CharacterErrorRate("a  b", " a\nb"), 0);
  EXPECT_DOUBLE_EQ(CharacterErrorRate("", "ab"), 2);
}

TEST(Judge, KnowsItsWays) {
  EXPECT_TRUE(Judge("exact", "red", " red\n").right);
  EXPECT_FALSE(Judge("exact", "red", "Red").right);
  EXPECT_TRUE(Judge("contains", " red ", "it is red.").right);
  EXPECT_FALSE(Judge("contains", "red", "it is blue").right);
  EXPECT_FALSE(Judge("contains", "red", "red").word_error_rate);
  const Judgement half = Judge("wer", "a b", "a c");
  EXPECT_FALSE(half.right);
  EXPECT_DOUBLE_EQ(half.word_error_rate.value(), 0.5);
  EXPECT_DOUBLE_EQ(half.character_error_rate.value(), 1.0 / 3);
  EXPECT_TRUE(Judge("wer", "a b", "a b").right);
}

}  // namespace
}  // namespace gemma3n::cli
