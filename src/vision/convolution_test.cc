// SPDX-License-Identifier: Apache-2.0
#include "vision/convolution.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

TEST(SamePadding, StridedConvolutionsPadLessBefore) {
  EXPECT_EQ(ComputeSamePadding(768, 3, 2).before, 0);
  EXPECT_EQ(ComputeSamePadding(768, 3, 2).out, 384);
  EXPECT_EQ(ComputeSamePadding(768, 5, 2).before, 1);
  EXPECT_EQ(ComputeSamePadding(9, 3, 2).before, 1);
  EXPECT_EQ(ComputeSamePadding(48, 5, 1).before, 2);
}

// An impulse through an all-ones kernel lights exactly the outputs that look at it.
TEST(Convolution, ImpulseLightsWhatLooksAtIt) {
  ThreadPool pool(1);
  const auto lit = [&](int64_t y, int64_t x) {
    FeatureMap map(4, 4, 1);
    map.pixel(y, x)[0] = 1;
    Tensor kernel({1, 9});
    for (float& value : kernel.span()) value = 1;
    const ConvolutionWeights weights{.kernel = kernel.view(), .kernel_size = 3, .stride = 2};
    std::vector<float> out(4);
    ConvolvePixels(map, weights, 0, 4, pool, {out.data(), 4, 1});
    return out;
  };
  EXPECT_EQ(lit(0, 0), (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(lit(2, 2), (std::vector<float>{1, 1, 1, 1}));
}

TEST(Convolution, DepthwiseKeepsChannelsApart) {
  ThreadPool pool(2);
  FeatureMap map(3, 3, 2);
  for (int64_t i = 0; i < 9; ++i) {
    map.values.row(i)[0] = static_cast<float>(i);
    map.values.row(i)[1] = 100.0f;
  }
  DepthwiseWeights weights{Tensor({9, 2}), 3, 1};
  weights.kernel.row(4)[0] = 1;  // the middle tap: a copy
  weights.kernel.row(0)[1] = 2;  // the upper left neighbour, twice
  const FeatureMap out = ConvolveDepthwise(map, weights, pool);
  for (int64_t i = 0; i < 9; ++i) EXPECT_EQ(out.values.row(i)[0], static_cast<float>(i));
  EXPECT_EQ(out.pixel(0, 0)[1], 0.0f);
  EXPECT_EQ(out.pixel(1, 1)[1], 200.0f);
}

}  // namespace
}  // namespace gemma3n
