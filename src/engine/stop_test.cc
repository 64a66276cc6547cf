// SPDX-License-Identifier: Apache-2.0
#include "engine/stop.h"

#include <gtest/gtest.h>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

TEST(StopMatcher, HoldsBackOnlyWhatMayBeginAStop) {
  StopMatcher stop({"END", "\n\n"});
  EXPECT_EQ(stop.Push("abcE"), "abc");
  EXPECT_EQ(stop.Push("N"), "");
  EXPECT_EQ(stop.Push("x"), "ENx");
  EXPECT_EQ(stop.Push("y\n"), "y");
  EXPECT_EQ(stop.Push("\nrest"), "");
  EXPECT_TRUE(stop.stopped());
  EXPECT_EQ(stop.Push("more"), "");
}

TEST(StopMatcher, EarliestStopWins) {
  StopMatcher stop({"cd", "b"});
  EXPECT_EQ(stop.Push("abcd"), "a");
  EXPECT_TRUE(stop.stopped());
}

TEST(StopMatcher, FinishGivesTheRest) {
  StopMatcher stop({"END"});
  EXPECT_EQ(stop.Push("xEN"), "x");
  EXPECT_EQ(stop.Finish(), "EN");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopMatcher, hostile_J09_EmptyStopIsRefused) {
  EXPECT_THROW(StopMatcher({""}), Error);
}

}  // namespace
}  // namespace gemma3n
