// SPDX-License-Identifier: Apache-2.0
#include "ops/norm.h"

#include <gtest/gtest.h>

#include <vector>

namespace gemma3n::ops {
namespace {

TEST(RmsNorm, NormalizesEachRowInPlace) {
  ThreadPool pool(2);
  std::vector<float> x = {3, 4, 0, 0, 1, 1, 1, 1};
  const std::vector<float> weight = {1, 2, 3, 4};
  RmsNorm(ConstRows{x.data(), 2, 4}, weight, 0.0f, MutableRows{x.data(), 2, 4}, pool);
  const std::vector<float> expected = {1.2f, 3.2f, 0, 0, 1, 2, 3, 4};
  for (size_t i = 0; i < x.size(); ++i) EXPECT_FLOAT_EQ(x[i], expected[i]);
}

TEST(RmsNorm, LeavesWhatLiesBetweenTheRows) {
  ThreadPool pool(1);
  std::vector<float> x(20 * 5, 2.0f);
  RmsNorm(ConstRows{x.data(), 20, 5}, 4, 0.0f, MutableRows{x.data(), 20, 5}, pool);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_FLOAT_EQ(x[i], i % 5 == 4 ? 2.0f : 1.0f);
}

}  // namespace
}  // namespace gemma3n::ops
