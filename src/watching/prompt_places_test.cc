// SPDX-License-Identifier: Apache-2.0
#include "watching/prompt_places.h"

#include <gtest/gtest.h>

#include "gemma3n/describe.h"

namespace gemma3n {
namespace {

TEST(PromptPlaces, AreFilledOnceAndOtherBracesStay) {
  EXPECT_EQ(Filled("{a} and {b}, {c} {", {{"a", "{b}"}, {"b", "two"}}), "{b} and two, {c} {");
}

TEST(PromptPlaces, ALineWithAnEmptyPlaceIsLeftOut) {
  const std::string prompt = "Before: {summary}\nFrom {from}.";
  EXPECT_EQ(Filled(prompt, {{"summary", ""}, {"from", "00:10"}}), "From 00:10.");
  EXPECT_EQ(Filled(prompt, {{"summary", "a\nb"}, {"from", "00:10"}}), "Before: a\nb\nFrom 00:10.");
  EXPECT_EQ(Filled("one\n\ntwo", {}), "one\n\ntwo");
}

TEST(PromptPlaces, TimesAreThoseOfFramesAndOfPlayers) {
  EXPECT_EQ(FrameTime(3905.9), "65:05");
  EXPECT_EQ(FilmTime(3905.9), "1:05:05");
  EXPECT_EQ(FilmTime(-1), "0:00:00");
}

}  // namespace
}  // namespace gemma3n
