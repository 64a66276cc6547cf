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
  ThreadPool pool(1);
  const float expected[] = {0, static_cast<float>(1 / std::sqrt(0.501)), 0};
  float rows[] = {1, 3, 2};
  norm.NextRows(rows, 3, 1, weight, 1e-3f, pool);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(rows[i], expected[i], 1e-6) << i;
}

// All rows at once have the bits of one row after the other, however many threads there are.
TEST(CumulativeGroupNorm, AllRowsAreRowAfterRow) {
  const std::vector<float> weight = {0.5f, -2, 1};
  std::vector<float> rows(7 * 21);
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = static_cast<float>((i / 21 * 37 + i % 21 * (i % 21) * 11) % 29) - 9.5f;
  }
  std::vector<float> single = rows;
  ThreadPool one(1), three(3);
  CumulativeGroupNorm whole, pieces;
  whole.NextRows(rows.data(), 7, 21, weight, 1e-3f, three);
  for (size_t i = 0; i < 7; ++i) {
    pieces.NextRows(single.data() + i * 21, 1, 21, weight, 1e-3f, one);
  }
  EXPECT_EQ(rows, single);
}

}  // namespace
}  // namespace gemma3n
