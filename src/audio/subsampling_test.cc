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

// All rows at once have the bits of one row after the other, however many threads there are.
TEST(CumulativeGroupNorm, AllRowsAreRowAfterRow) {
  const std::vector<float> weight = {0.5f, -2, 1};
  Tensor rows({7, 21}), expected({7, 21});
  CumulativeGroupNorm norm;
  for (int64_t i = 0; i < 7; ++i) {
    for (int64_t k = 0; k < 21; ++k) {
      rows.row(i)[k] = static_cast<float>((i * 37 + k * k * 11) % 29) - 9.5f;
    }
    norm.NextRow({rows.row(i), 21}, weight, 1e-3f, {expected.row(i), 21});
  }
  ThreadPool pool(3);
  CumulativeGroupNorm::AllRows(rows, weight, 1e-3f, pool);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows.data()[i], expected.data()[i]) << i;
}

}  // namespace
}  // namespace gemma3n
