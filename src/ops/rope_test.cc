// SPDX-License-Identifier: Apache-2.0
#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gemma3n::ops {
namespace {

TEST(Rope, TurnsPairsByPositionTimesFrequency) {
  ThreadPool pool(2);
  constexpr int64_t kHeadDim = 6, kHeads = 2, kRows = 11, kFirst = 700;
  RopeTable table(kHeadDim, 10000.0, kRows);
  table.Fill({kFirst, kRows}, pool);
  std::vector<float> x(kRows * kHeads * kHeadDim, 1.0f);
  Rope(table, {.num_heads = kHeads, .first_row = 0}, {x.data(), kRows, kHeads * kHeadDim}, pool);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t i = 0; i < kHeadDim / 2; ++i) {
      const double angle = static_cast<double>(kFirst + row) * std::pow(10000.0, -2.0 * i / 6);
      const float* head = x.data() + (row * kHeads + 1) * kHeadDim;
      // The angle is rounded to float32: at 700 radians by up to 3e-5.
      EXPECT_NEAR(head[i], std::cos(angle) - std::sin(angle), 1e-4);
      EXPECT_NEAR(head[i + 3], std::cos(angle) + std::sin(angle), 1e-4);
    }
  }
}

TEST(Rope, APositionGivesTheSameBitsFromAnyTable) {
  ThreadPool pool(1);
  RopeTable whole(16, 1e6, 40), part(16, 1e6, 3);
  whole.Fill({100, 40}, pool);
  part.Fill({138, 2, 1}, pool);
  part.Fill({137, 1}, pool);
  for (int64_t i = 0; i < 3 * 8; ++i) {
    EXPECT_EQ(part.cos(0)[i], whole.cos(37)[i]);
    EXPECT_EQ(part.sin(0)[i], whole.sin(37)[i]);
  }
  std::vector<float> a(16, 0.5f), b(16, 0.5f);
  Rope(whole, {.num_heads = 1, .first_row = 38}, {a.data(), 1, 16}, pool);
  Rope(part, {.num_heads = 1, .first_row = 1}, {b.data(), 1, 16}, pool);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace gemma3n::ops
