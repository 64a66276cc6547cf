// SPDX-License-Identifier: Apache-2.0
#include "engine/elastic_policy.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace gemma3n {
namespace {

const std::vector<double> kCosts = {10, 8, 6, 5, 4};

// Writes tokens on a machine that needs `speed` seconds for a unit of cost.
int RungAfter(ElasticPolicy& policy, double speed, int tokens, const SystemState& system = {}) {
  for (int i = 0; i < tokens; ++i) policy.Next(speed * kCosts[policy.rung()], system);
  return policy.rung();
}

TEST(ElasticPolicy, FastEnoughItStays) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  EXPECT_EQ(RungAfter(policy, 0.009, 100), 0);
}

TEST(ElasticPolicy, HalfTheSpeedIsMadeUpForWithinTenTokens) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  RungAfter(policy, 0.009, 50);
  EXPECT_EQ(RungAfter(policy, 0.018, 10), 3);  // 0.09 s a token
  EXPECT_GE(policy.tokens_per_second(), 10);
  EXPECT_NE(policy.why().find("10.0 wanted"), std::string::npos);
  EXPECT_EQ(RungAfter(policy, 0.018, 500), 3);  // and no more moves
  EXPECT_EQ(RungAfter(policy, 0.009, 200), 0);  // fast again
}

TEST(ElasticPolicy, OneSlowTokenIsNoReason) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  RungAfter(policy, 0.009, 20);
  policy.Next(0.5, {});
  EXPECT_EQ(RungAfter(policy, 0.009, 20), 0);
}

TEST(ElasticPolicy, BetweenTwoRungsItDoesNotGoToAndFro) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  int moves = 0, rung = 0;
  for (int i = 0; i < 1000; ++i) {  // at 8 the pace is just kept, at 10 it is not
    const double noise = 1 + 0.03 * ((i * 7919) % 13 - 6) / 6.0;
    const int next = policy.Next(0.0117 * noise * kCosts[policy.rung()], {});
    moves += next != rung;
    rung = next;
  }
  EXPECT_LE(moves, 3);
  EXPECT_GE(rung, 1);
}

TEST(ElasticPolicy, TooSlowForAllTakesTheLast) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  EXPECT_EQ(RungAfter(policy, 1, 20), 4);
}

TEST(ElasticPolicy, StrainLimitsAndCalmReleases) {
  ElasticPolicy policy({}, kCosts);
  EXPECT_EQ(RungAfter(policy, 0.01, 1, {.memory_short = true}), 1);
  EXPECT_EQ(policy.why(), "memory is short");
  EXPECT_EQ(RungAfter(policy, 0.01, 200, {.memory_short = true}), 4);
  EXPECT_EQ(RungAfter(policy, 0.01, 200), 0);
  EXPECT_EQ(RungAfter(policy, 0.01, 40, {.battery_low = true}), 3);
}

TEST(ElasticPolicy, MemoryHoldsItDownWhateverThePace) {
  ElasticPolicy policy({.tokens_per_second = 10}, kCosts);
  policy.LimitForMemory(2);
  EXPECT_EQ(RungAfter(policy, 0.001, 1), 2);
  EXPECT_EQ(policy.why(), "more memory than wanted");
  EXPECT_EQ(RungAfter(policy, 0.001, 100), 2);
  policy.LimitForMemory(0);
  EXPECT_EQ(RungAfter(policy, 0.001, 100), 0);
}

TEST(ElasticPolicy, BegunSmallItGoesUpWhenNothingAsksForLess) {
  ElasticPolicy policy({}, kCosts, 3);
  EXPECT_EQ(RungAfter(policy, 1, 1), 0);
  ElasticPolicy paced({.tokens_per_second = 10}, kCosts, 3);
  EXPECT_EQ(RungAfter(paced, 0.018, 100), 3);
  EXPECT_EQ(RungAfter(paced, 0.009, 100), 0);
}

TEST(ElasticPolicy, PowerIsKept) {
  ElasticPolicy policy({.watts = 10}, kCosts);
  EXPECT_EQ(RungAfter(policy, 0.01, 1, {.watts = 15}), 1);
  EXPECT_EQ(policy.why(), "more power than wanted");
  EXPECT_EQ(RungAfter(policy, 0.01, 100, {.watts = 9}), 1);  // near it: no reason to go up
  EXPECT_EQ(RungAfter(policy, 0.01, 100, {.watts = 5}), 0);
}

class SystemWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) / "system_watch";
    std::filesystem::remove_all(root_);
  }
  void Write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text << "\n";
  }
  SystemState State() { return SystemWatch(root_).State(); }
  std::filesystem::path root_;
};

TEST_F(SystemWatchTest, SaysNothingWhereNothingIsTold) {
  const SystemState state = State();
  EXPECT_FALSE(state.memory_short || state.hot || state.battery_low);
  EXPECT_EQ(state.watts, 0);
}

TEST_F(SystemWatchTest, ReadsPressureHeatAndBattery) {
  Write("proc/pressure/memory", "some avg10=12.50 avg60=0.00 avg300=0.00 total=1");
  Write("sys/class/thermal/thermal_zone0/temp", "81000");
  Write("sys/class/thermal/thermal_zone0/trip_point_0_type", "passive");
  Write("sys/class/thermal/thermal_zone0/trip_point_0_temp", "85000");
  Write("sys/class/power_supply/BAT0/type", "Battery");
  Write("sys/class/power_supply/BAT0/status", "Discharging");
  Write("sys/class/power_supply/BAT0/capacity", "19");
  SystemState state = State();
  EXPECT_TRUE(state.memory_short && state.hot && state.battery_low);
  EXPECT_EQ(state.Strain(), "memory is short, the machine is hot, the battery is low");
  Write("proc/pressure/memory", "some avg10=2.50 avg60=99.00");
  Write("sys/class/thermal/thermal_zone0/temp", "79000");
  Write("sys/class/power_supply/BAT0/status", "Charging");
  state = State();
  EXPECT_FALSE(state.memory_short || state.hot || state.battery_low);
  Write("proc/pressure/memory", "nonsense");
  EXPECT_FALSE(State().memory_short);
}

}  // namespace
}  // namespace gemma3n
