// SPDX-License-Identifier: Apache-2.0
#include "speech/joint.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

using Texts = std::pair<std::string, std::string>;

TEST(Join, WordsThatBothHeardStandOnce) {
  EXPECT_EQ(Join("we went to the old market", "the old market and bought fish"),
            Texts("we went to the old market", "and bought fish"));
  EXPECT_EQ(Join("It was late, very late.", "Very late. Nobody came"),
            Texts("It was late, very late.", "Nobody came"));
}

TEST(Join, WordsThatWereCutAtTheJointAreLeftOut) {
  // The first piece ended in the middle of "bought", the second began in that of "market".
  EXPECT_EQ(Join("to the old market and bo", "ket and bought fish"),
            Texts("to the old market and bo", "ket and bought fish"));  // one word says too little
  EXPECT_EQ(Join("to the old market and bo", "ket and then fish"),
            Texts("to the old market and bo", "ket and then fish"));
  EXPECT_EQ(Join("to the old market and bo", "old market and bought fish"),
            Texts("to the old market and", "bought fish"));
  EXPECT_EQ(Join("to the old market", "he old market and"), Texts("to the old market", "and"));
}

TEST(Join, NothingInCommonIsLeftAsItIs) {
  EXPECT_EQ(Join("one two", "three four"), Texts("one two", "three four"));
  EXPECT_EQ(Join("he went to the market", "the next day"),
            Texts("he went to the market", "the next day"));
  EXPECT_EQ(Join("", "three"), Texts("", "three"));
  EXPECT_EQ(Join("three", ""), Texts("three", ""));
  EXPECT_EQ(Join(" ... ", "!"), Texts("...", "!"));
}

TEST(Join, ASingleWordCountsAtTheVeryJoint) {
  EXPECT_EQ(Join("a cold winter", "Winter is long"), Texts("a cold winter", "is long"));
}

TEST(Join, LettersBeyondAsciiAreCompared) {
  EXPECT_EQ(Join("ouvre la fenêtre", "la fenêtre bleue"), Texts("ouvre la fenêtre", "bleue"));
  EXPECT_EQ(Join("я вижу дом", "вижу дом и сад"), Texts("я вижу дом", "и сад"));
}

TEST(Join, AllOfTheSecondMayBeKnown) {
  EXPECT_EQ(Join("turn on the light", "the light"), Texts("turn on the light", ""));
}

}  // namespace
}  // namespace gemma3n
