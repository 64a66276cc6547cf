// SPDX-License-Identifier: Apache-2.0
#include "engine/first_token.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

const std::vector<double> kCosts = {10, 6, 3};
const std::vector<int64_t> kAll = {100, 100, 100};

TEST(FirstToken, NothingKnownBeginsAtTheTop) {
  EXPECT_EQ(FirstToken(0.001, kCosts, 0).Begin(0, kAll), 0);
}

TEST(FirstToken, TakesTheBestRungThatIsInTime) {
  const FirstToken wants(7, kCosts, 0.01);  // 10, 6, 3 s
  EXPECT_EQ(wants.Begin(0, kAll), 1);
  EXPECT_EQ(wants.Begin(2, kAll), 2);            // 2 s went to pictures
  EXPECT_EQ(wants.Begin(0, {60, 100, 100}), 0);  // most of it is known at that size
}

TEST(FirstToken, TooLateForAllTakesTheQuickest) {
  EXPECT_EQ(FirstToken(1, kCosts, 0.01).Begin(0, kAll), 2);
  // Where the large size has nearly all in its cache, reading all again at a small one is slower.
  EXPECT_EQ(FirstToken(0.01, kCosts, 0.01).Begin(0, {2, 100, 100}), 0);
}

TEST(FirstToken, AFirstChunkThatWasSlowBeginsAgainSmaller) {
  FirstToken wants(8, kCosts, 0);
  // 100 of 1000 positions took a second: 10 in all; a third of it at the last rung.
  EXPECT_EQ(wants.After(0, 100, 1, 1, 900, {1000, 1000, 1000}), 1);
  FirstToken hurried(4.5, kCosts, 0);
  EXPECT_EQ(hurried.After(0, 100, 1, 1, 900, {1000, 1000, 1000}), 2);
}

TEST(FirstToken, InTimeOrNearlyDoneItGoesOn) {
  FirstToken wants(11, kCosts, 0);
  EXPECT_EQ(wants.After(0, 100, 1, 1, 900, {1000, 1000, 1000}), std::nullopt);
  FirstToken late(1, kCosts, 0);
  EXPECT_EQ(late.After(0, 900, 9, 9, 100, {1000, 1000, 1000}), std::nullopt);
  EXPECT_EQ(late.After(2, 100, 9, 9, 900, {1000, 1000, 1000}), std::nullopt);  // no smaller one
  EXPECT_EQ(late.After(0, 1000, 9, 9, 0, {1000, 1000, 1000}), std::nullopt);
}

TEST(FirstToken, AFewPositionsTellLessThanWhatWasKnown) {
  FirstToken wants(100, kCosts, 0.01);
  wants.After(0, 8, 10, 10, 0, kAll);
  EXPECT_DOUBLE_EQ(wants.seconds_per_cost(), 0.01);
  wants.After(0, 100, 2, 2, 0, kAll);
  EXPECT_DOUBLE_EQ(wants.seconds_per_cost(), 0.002);
}

}  // namespace
}  // namespace gemma3n
