// SPDX-License-Identifier: Apache-2.0
#include "kernels/streams.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace gemma3n::kernels {
namespace {

constexpr size_t kStreams = 3, kLength = 37, kStride = 40;  // ends inside a vector

std::vector<float> Random(size_t n) {
  static std::mt19937 generator(4);
  std::uniform_real_distribution<float> number(-2, 2);
  std::vector<float> values(n);
  for (float& value : values) value = number(generator);
  return values;
}

TEST(Streams, MixIsTheSum) {
  std::vector<float> x = Random(kStreams * kStride), y(kStreams * kStride, 7.0f);
  const std::vector<float> coefs = Random(kStreams * kStreams);
  for (size_t wanted : {kStreams, size_t{1}}) {
    MixStreams({x.data(), kStreams, kStride}, coefs.data(), kLength, {y.data(), wanted, kStride});
    for (size_t i = 0; i < wanted; ++i) {
      for (size_t k = 0; k < kLength; ++k) {
        double expected = x[i * kStride + k];
        for (size_t j = 0; j < kStreams; ++j) {
          expected += double{coefs[i * kStreams + j]} * x[j * kStride + k];
        }
        EXPECT_NEAR(y[i * kStride + k], expected, 1e-5);
      }
      EXPECT_EQ(y[i * kStride + kLength], 7.0f);  // nothing is written behind the end
    }
  }
}

TEST(Streams, InnovationIsSpread) {
  std::vector<float> x = Random(kStreams * kStride), y(kStreams * kStride, 7.0f);
  const std::vector<float> activated = Random(kLength), gains = Random(kStreams);
  SpreadInnovation({x.data(), kStreams, kStride}, activated.data(), gains.data(), kLength,
                   {y.data(), kStreams, kStride});
  for (size_t i = 0; i < kStreams; ++i) {
    for (size_t k = 0; k < kLength; ++k) {
      EXPECT_NEAR(y[i * kStride + k], x[i * kStride + k] + gains[i] * (activated[k] - x[k]), 1e-5);
    }
    EXPECT_EQ(y[i * kStride + kLength], 7.0f);
  }
}

}  // namespace
}  // namespace gemma3n::kernels
