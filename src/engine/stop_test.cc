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

TEST(StopMatcher, hostile_J09_StopsThatOverlap) {
  const std::vector<std::string> stops = {"aab", "abab", "ba"};
  for (const auto& [text, left] :
       {std::pair("aaab", "a"), std::pair("ababab", "a"), std::pair("xabaaab", "xa"),
        std::pair("xaa", "xaa"), std::pair("ccaabab", "cc"), std::pair("aba", "a")}) {
    const std::string whole = text;
    for (size_t cut = 0; cut <= whole.size(); ++cut) {  // wherever tokens part
      StopMatcher stop(stops);
      std::string said = stop.Push(whole.substr(0, cut));
      said += stop.Push(whole.substr(cut));
      if (!stop.stopped()) said += stop.Finish();
      EXPECT_EQ(said, left) << text << " " << cut;
    }
  }
}

TEST(StopMatcher, hostile_J09_EmptyStopIsRefused) {
  EXPECT_THROW(StopMatcher({""}), Error);
}

}  // namespace
}  // namespace gemma3n
