// SPDX-License-Identifier: Apache-2.0
#include "kernels/gaussian_topk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/isa.h"

namespace gemma3n::kernels {
namespace {

class GaussianTopKTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceIsa(GetParam()); }
  void TearDown() override { AllowEveryIsa(); }
};

TEST_P(GaussianTopKTest, SubtractsTheCutoffOfThePopulation) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal(0.5f, 2.0f);
  for (size_t n : {1, 2, 15, 64, 100, 1000}) {
    std::vector<float> x(n), y(n);
    for (float& value : x) value = normal(generator);
    double mean = 0, squares = 0;
    for (float value : x) mean += value;
    mean /= n;
    for (float value : x) squares += (value - mean) * (value - mean);
    const double cutoff = mean + 1.25 * std::sqrt(squares / n);
    GaussianTopK(x.data(), 1.25f, n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], std::max(0.0, x[i] - cutoff), 1e-5);
  }
}

TEST_P(GaussianTopKTest, NanIsNotHidden) {
  std::vector<float> x(20, 1.0f), y(20);
  x[7] = std::nanf("");
  GaussianTopK(x.data(), 1.0f, x.size(), y.data());
  for (float value : y) EXPECT_TRUE(std::isnan(value));
}

TEST(NonZeroIndices, AreAscendingAndComplete) {
  const std::vector<float> x = {0, 1, 0, 0, -2, std::nanf(""), 0};
  std::vector<int32_t> indices(x.size());
  ASSERT_EQ(NonZeroIndices(x.data(), x.size(), indices.data()), 3u);
  indices.resize(3);
  EXPECT_EQ(indices, (std::vector<int32_t>{1, 4, 5}));
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, GaussianTopKTest, testing::ValuesIn(AvailableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace gemma3n::kernels
