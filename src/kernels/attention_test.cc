// SPDX-License-Identifier: Apache-2.0
// The attention loops on every instruction set this processor has, against plain double loops.
#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/isa.h"

namespace gemma3n::kernels {
namespace {

constexpr double kSumTolerance = 1e-5;  // up to 100 float terms near 1

class Attention : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceIsa(GetParam()); }
  void TearDown() override { AllowEveryIsa(); }

  static std::vector<float> Random(size_t n) {
    static std::mt19937 generator(11);
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& value : values) value = normal(generator);
    return values;
  }
};

TEST_P(Attention, RotationTurnsPairsHalfARowApart) {
  for (size_t half : {1, 3, 8, 16, 21, 128}) {
    std::vector<float> x = Random(2 * half), cos(half), sin(half);
    const std::vector<float> angles = Random(half), before = x;
    for (size_t i = 0; i < half; ++i) {
      cos[i] = std::cos(angles[i]);
      sin[i] = std::sin(angles[i]);
    }
    RotateHalves(cos.data(), sin.data(), half, x.data());
    for (size_t i = 0; i < half; ++i) {
      const double a = before[i], b = before[i + half];
      EXPECT_NEAR(x[i], a * cos[i] - b * sin[i], kSumTolerance);
      EXPECT_NEAR(x[i + half], b * cos[i] + a * sin[i], kSumTolerance);
    }
  }
}

TEST_P(Attention, SoftmaxPartKeepsMaxAndSum) {
  for (size_t n : {1, 5, 16, 64, 77}) {
    std::vector<float> x = Random(n), y(n);
    if (n > 3) x[2] = -std::numeric_limits<float>::infinity();
    const SoftmaxPart part = PartialSoftmax(x.data(), n, y.data());
    EXPECT_EQ(part.max, *std::max_element(x.begin(), x.end()));
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(y[i], std::exp(double{x[i]} - part.max), kSumTolerance);
      sum += y[i];
    }
    EXPECT_NEAR(part.sum, sum, kSumTolerance * n);
    if (n > 3) {
      EXPECT_EQ(y[2], 0.0f);
    }
  }
}

TEST_P(Attention, WeightedSumMatchesItsFormulaForAnyTile) {
  for (size_t rows : {1, 4, 7}) {
    for (size_t cols : {1, 8, 19, 64, 80, 256}) {
      const TileShape shape{rows, cols, 33, 40, cols + 3, cols};
      const std::vector<float> x = Random(rows * 40), w = Random(33 * (cols + 3));
      std::vector<float> y(rows * cols + 1, 42.0f);
      WeightedSum(x.data(), w.data(), shape, y.data());
      for (size_t r = 0; r < rows; ++r) {
        for (size_t c = 0; c < cols; ++c) {
          double sum = 0;
          for (size_t k = 0; k < 33; ++k) sum += double{x[r * 40 + k]} * w[k * (cols + 3) + c];
          EXPECT_NEAR(y[r * cols + c], sum, 3 * kSumTolerance);
        }
      }
      EXPECT_EQ(y[rows * cols], 42.0f) << "wrote past the end";
    }
  }
}

TEST_P(Attention, WeightedSumOfARowIgnoresItsNeighboursAndZeros) {
  constexpr size_t kCols = 83, kDepth = 20;
  const std::vector<float> w = Random(kDepth * kCols);
  std::vector<float> x = Random(6 * kDepth);
  for (size_t r = 0; r < 6; ++r) {
    for (size_t k = 15; k < kDepth; ++k) x[r * kDepth + k] = 0;
  }
  std::vector<float> together(6 * kCols), alone(kCols);
  WeightedSum(x.data(), w.data(), {6, kCols, kDepth, kDepth, kCols, kCols}, together.data());
  for (size_t r = 0; r < 6; ++r) {
    const TileShape one{1, kCols, 15, kDepth, kCols, kCols};
    WeightedSum(x.data() + r * kDepth, w.data(), one, alone.data());
    for (size_t c = 0; c < kCols; ++c) EXPECT_EQ(alone[c], together[r * kCols + c]);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Attention, testing::ValuesIn(AvailableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace gemma3n::kernels
