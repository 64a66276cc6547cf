// SPDX-License-Identifier: Apache-2.0
// On every instruction set this processor has, against the kernels they join and plain loops.
#include "kernels/encoder_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/isa.h"
#include "kernels/rows.h"

namespace gemma3n::kernels {
namespace {

std::vector<float> Random(size_t n) {
  static std::mt19937 generator(11);
  std::normal_distribution<float> normal(0.0f, 2.0f);
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

class EncoderRows : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceIsa(GetParam()); }
  void TearDown() override { AllowEveryIsa(); }
};

TEST_P(EncoderRows, NormAndGeluHaveTheBitsOfBoth) {
  for (size_t n : {1, 15, 16, 64, 259}) {
    const std::vector<float> x = Random(n), weight = Random(n);
    std::vector<float> y(n), expected(n);
    RmsNorm(x.data(), weight.data(), 1e-6f, n, expected.data());
    Gelu(expected.data(), n, expected.data());
    RmsNormGelu(x.data(), weight.data(), 1e-6f, n, y.data());
    EXPECT_EQ(y, expected) << n;
  }
}

TEST_P(EncoderRows, SumOfProductsHasTheBitsOfItsTermsInOrder) {
  for (size_t n : {1, 5, 16, 64, 83}) {
    for (size_t taps : {1, 9}) {
      std::vector<std::vector<float>> x, w;
      std::vector<const float*> xs, ws;
      std::vector<float> expected(n), y(n + 1, 42.0f);
      for (size_t tap = 0; tap < taps; ++tap) {
        x.push_back(Random(n));
        w.push_back(Random(n));
        xs.push_back(x.back().data());
        ws.push_back(w.back().data());
        AddProduct(xs.back(), ws.back(), n, expected.data());
      }
      SumOfProducts(xs.data(), ws.data(), taps, n, y.data());
      EXPECT_EQ(y.back(), 42.0f) << "wrote past the end";
      y.pop_back();
      EXPECT_EQ(y, expected) << n << " " << taps;
    }
  }
}

TEST_P(EncoderRows, ExpBelowMaxIsOneAtTheLargest) {
  for (size_t n : {1, 7, 64, 131}) {
    std::vector<float> x = Random(n), y(n);
    if (n > 2) x[1] = -1e6f;  // far below
    ExpBelowMax(x.data(), 0.125f, n, y.data());
    const float max = *std::max_element(x.begin(), x.end());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], std::exp((x[i] - max) * 0.125), 1e-6);
    EXPECT_EQ(*std::max_element(y.begin(), y.end()), 1.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, EncoderRows, testing::ValuesIn(AvailableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace gemma3n::kernels
