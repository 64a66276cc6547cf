// SPDX-License-Identifier: Apache-2.0
#include "audio/subsampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace gemma3n {
namespace {

// Old rows keep their deviation from the mean as known then: the squared deviations of 1, 3, 2 are
// 0, 1, 0, not those of a true variance.
TEST(CumulativeGroupNorm, KeepsOldDeviations) {
  CumulativeGroupNorm norm;
  const std::vector<float> weight = {1};
  std::vector<float> y(1);
  const float expected[] = {0, static_cast<float>(1 / std::sqrt(0.501)), 0};
  const float rows[] = {1, 3, 2};
  for (int i = 0; i < 3; ++i) {
    norm.NextRow(std::span(&rows[i], 1), weight, 1e-3f, y);
    EXPECT_NEAR(y[0], expected[i], 1e-6) << i;
  }
}

}  // namespace
}  // namespace gemma3n
