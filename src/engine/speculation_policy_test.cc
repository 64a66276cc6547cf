// SPDX-License-Identifier: Apache-2.0
#include "engine/speculation_policy.h"

#include <gtest/gtest.h>

#include <array>

namespace gemma3n {
namespace {

using Policy = SpeculationPolicy;

// How often each way was chosen over `rounds` rounds in which a round of each costs so many seconds
// and gives so many tokens; the text always repeats.
struct Costs {
  double seconds;
  int64_t tokens;
};
std::array<int, 3> Chosen(Policy& policy, std::array<Costs, 3> costs, int rounds) {
  std::array<int, 3> count{};
  for (int i = 0; i < rounds; ++i) {
    const Policy::Way way = policy.Choose(true);
    ++count[way];
    const int64_t guessed = way == Policy::kPlain ? 0 : policy.Length(way);
    policy.Record(way, costs[way].tokens, guessed, costs[way].seconds);
  }
  return count;
}

TEST(SpeculationPolicy, OffAndFixedWaysAreObeyed) {
  const std::array<Costs, 3> costs = {Costs{1, 1}, {9, 1}, {9, 1}};
  Policy off(Speculation::kOff), lookup(Speculation::kLookup), draft(Speculation::kDraft);
  EXPECT_EQ(Chosen(off, costs, 50)[Policy::kPlain], 50);
  EXPECT_EQ(Chosen(lookup, costs, 50)[Policy::kLookup], 50);
  EXPECT_EQ(Chosen(draft, costs, 50)[Policy::kDraft], 50);
  EXPECT_EQ(lookup.Choose(false), Policy::kPlain);
}

TEST(SpeculationPolicy, WhatPaysGoesOn) {
  Policy policy(Speculation::kAuto);
  // Three tokens for the time of one and a half.
  const auto chosen = Chosen(policy, {Costs{1, 1}, {1.5, 3}, {9, 1}}, 400);
  EXPECT_GT(chosen[Policy::kLookup], 370);
  EXPECT_EQ(chosen[Policy::kDraft], 0);
}

TEST(SpeculationPolicy, WhatCostsMoreRestsLongerAndLonger) {
  Policy policy(Speculation::kAuto);
  const auto chosen = Chosen(policy, {Costs{1, 1}, {1.4, 1}, {2, 1}}, 2000);
  EXPECT_LT(chosen[Policy::kLookup], 60);
  EXPECT_LT(chosen[Policy::kDraft], 60);
  EXPECT_GE(chosen[Policy::kLookup], 6);  // tried again now and then
}

TEST(SpeculationPolicy, ComesBackWhenItPaysAgain) {
  Policy policy(Speculation::kAuto);
  Chosen(policy, {Costs{1, 1}, {2, 1}, {9, 1}}, 100);
  const auto chosen = Chosen(policy, {Costs{1, 1}, {1.5, 4}, {9, 1}}, 1000);
  EXPECT_GT(chosen[Policy::kLookup], 700);
}

TEST(SpeculationPolicy, LengthFollowsWhatHolds) {
  Policy policy(Speculation::kLookup);
  for (int i = 0; i < 5; ++i)
    policy.Record(Policy::kLookup, policy.Length(Policy::kLookup) + 1,
                  policy.Length(Policy::kLookup), 1);
  EXPECT_EQ(policy.Length(Policy::kLookup), Policy::kMostGuesses);
  for (int i = 0; i < 9; ++i) policy.Record(Policy::kLookup, 1, policy.Length(Policy::kLookup), 1);
  EXPECT_EQ(policy.Length(Policy::kLookup), 1);
}

}  // namespace
}  // namespace gemma3n
