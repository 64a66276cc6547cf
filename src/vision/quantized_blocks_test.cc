// SPDX-License-Identifier: Apache-2.0
// Blocks whose matrices are in 8 bits against their layers one by one, and against floats.
#include "vision/quantized_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>
#include <vector>

#include "kernels/rows.h"
#include "ops/norm.h"
#include "ops/quantized_block.h"

namespace gemma3n {
namespace {

class QuantizedBlocks : public testing::Test {
 protected:
  std::vector<float> Random(int64_t n, float mean = 0) {
    std::normal_distribution<float> normal(mean, 0.3f);
    std::vector<float> values(static_cast<size_t>(n));
    for (float& value : values) value = normal(generator_);
    return values;
  }
  TensorView Tiles(int64_t out, int64_t in) {
    const std::vector<float> values = Random(out * in);
    owned_.emplace_back();
    owned_.back().Round({values.data(), out, in}, in, pool_);
    return {DType::kQ8Tiles, {out, in}, owned_.back().tiles().data};
  }
  // The same matrix in floats.
  TensorView Floats(const TensorView& tiles) {
    floats_.emplace_back(tiles.shape);
    for (int64_t row = 0; row < tiles.shape[0]; ++row) {
      packed::UnpackRow(DType::kQ8Tiles, tiles.data, tiles.shape[1], row, 0, tiles.shape[1],
                        floats_.back().row(row));
    }
    return floats_.back().view();
  }
  PointwiseWeights Pointwise(int64_t out, int64_t in) { return {Tiles(out, in), Random(out, 1)}; }
  InvertedResidualWeights::Depthwise Depthwise(int64_t channels, int64_t kernel, int64_t stride) {
    InvertedResidualWeights::Depthwise weights;
    weights.conv = {Tensor({kernel * kernel, channels}), kernel, stride};
    const std::vector<float> values = Random(kernel * kernel * channels);
    std::copy(values.begin(), values.end(), weights.conv.kernel.data());
    weights.norm = Random(channels, 1);
    return weights;
  }
  FeatureMap Map(int64_t height, int64_t width, int64_t channels) {
    FeatureMap map(height, width, channels);
    const std::vector<float> values = Random(height * width * channels);
    std::copy(values.begin(), values.end(), map.values.data());
    return map;
  }

  void NormTo(const FeatureMap& x, std::span<const float> norm, FeatureMap& out) {
    ops::RmsNorm(x.rows(), norm, kVisionNormEps, out.rows(), pool_);
  }
  FeatureMap Linear(const FeatureMap& x, const TensorView& weight) {
    FeatureMap out(x.height, x.width, weight.shape[0]);
    ops::Linear(x.rows(), weight, out.rows(), pool_);
    return out;
  }
  // The layers of an inverted residual one after the other.
  FeatureMap LayerByLayer(const InvertedResidualWeights& weights, const FeatureMap& x) {
    FeatureMap y = x;
    if (weights.dw_start) {
      y = ConvolveDepthwise(y, weights.dw_start->conv, pool_);
      NormTo(y, weights.dw_start->norm, y);
    }
    y = Linear(y, weights.pw_exp.conv);
    NormAndGelu(weights.pw_exp.norm, y.rows(), pool_);
    if (weights.dw_mid) {
      y = ConvolveDepthwise(y, weights.dw_mid->conv, pool_);
      NormAndGelu(weights.dw_mid->norm, y.rows(), pool_);
    }
    y = Linear(y, weights.pw_proj.conv);
    NormTo(y, weights.pw_proj.norm, y);
    for (int64_t row = 0; row < y.pixels(); ++row) {
      float* out = y.values.row(row);
      kernels::Multiply(out, weights.layer_scale.data(), y.channels, out);
      if (weights.allow_skip) kernels::Add(out, x.values.row(row), y.channels, out);
    }
    return y;
  }

  static void ExpectSame(const FeatureMap& a, const FeatureMap& b) {
    ASSERT_EQ(a.values.shape(), b.values.shape());
    for (size_t i = 0; i < a.values.size(); ++i) {
      ASSERT_EQ(a.values.data()[i], b.values.data()[i]) << i;
    }
  }
  static double Difference(const FeatureMap& a, const FeatureMap& b) {
    double error = 0, size = 0;
    for (size_t i = 0; i < a.values.size(); ++i) {
      const double difference = a.values.data()[i] - b.values.data()[i];
      error += difference * difference;
      size += static_cast<double>(b.values.data()[i]) * b.values.data()[i];
    }
    return std::sqrt(error / size);
  }

  ThreadPool pool_{3};
  std::mt19937 generator_{17};
  std::deque<ops::OwnedTiles> owned_;
  std::deque<Tensor> floats_;
};

TEST_F(QuantizedBlocks, InvertedResidualsHaveTheBitsOfTheirLayers) {
  // With and without convolutions before and in the middle; some bands of rows, also such that the
  // last one needs no row that the one before had not; odd sides.
  for (auto [stride, height] : {std::pair{0, 23}, {1, 23}, {1, 17}, {1, 9}, {1, 3}, {2, 23}}) {
    for (bool start : {false, true}) {
      InvertedResidualWeights weights;
      if (start) weights.dw_start = Depthwise(24, 5, 1);
      weights.pw_exp = Pointwise(72, 24);
      if (stride > 0) weights.dw_mid = Depthwise(72, 5, stride);
      weights.pw_proj = Pointwise(24, 72);
      weights.layer_scale = Random(24, 1);
      weights.allow_skip = stride < 2;
      const FeatureMap x = Map(height, 11, 24);
      const FeatureMap expected = LayerByLayer(weights, x);
      const BlockWeights block = std::move(weights);
      ASSERT_TRUE(IsQuantized(block));
      ExpectSame(RunBlock(block, x, pool_), expected);
    }
  }
}

TEST_F(QuantizedBlocks, EdgeResidualsHaveTheBitsOfTheirLayers) {
  // Pixels of whole blocks, rounded once, and others, rounded in every patch.
  for (int64_t channels : {128, 24}) {
    for (int64_t stride : {1, 2}) {
      EdgeResidualWeights weights;
      weights.conv_exp = {.kernel = Tiles(48, 9 * channels), .kernel_size = 3, .stride = stride};
      weights.bn1 = Random(48, 1);
      weights.conv_pwl = Pointwise(channels, 48);
      const FeatureMap x = Map(10, 7, channels);
      const int64_t height = (10 + stride - 1) / stride, width = (7 + stride - 1) / stride;
      FeatureMap y(height, width, 48);
      ConvolvePixels(x, weights.conv_exp, 0, y.pixels(), pool_, y.rows());
      NormAndGelu(weights.bn1, y.rows(), pool_);
      y = Linear(y, weights.conv_pwl.conv);
      NormTo(y, weights.conv_pwl.norm, y);
      for (int64_t row = 0; row < y.pixels() && stride == 1; ++row) {
        kernels::Add(y.values.row(row), x.values.row(row), channels, y.values.row(row));
      }
      ExpectSame(RunBlock(std::move(weights), x, pool_), y);
    }
  }
}

TEST_F(QuantizedBlocks, PairsHaveTheBitsOfTheirLayers) {
  const PointwiseWeights exp = Pointwise(150, 130), proj = Pointwise(33, 150);
  const FeatureMap x = Map(9, 8, 130);
  FeatureMap y = Linear(x, exp.conv), found(9, 8, 33);
  NormAndGelu(exp.norm, y.rows(), pool_);
  y = Linear(y, proj.conv);
  NormTo(y, proj.norm, y);
  PointwisePair(exp, proj, x.rows(), found.rows(), pool_);
  ExpectSame(found, y);
}

TEST_F(QuantizedBlocks, AttentionIsNearThatOfFloats) {
  for (bool down : {false, true}) {
    MobileAttentionWeights weights, floats;
    weights.norm = Random(64, 1);
    weights.query = Tiles(3 * 40, 64);
    weights.key.proj = Tiles(40, 64);
    weights.value.proj = Tiles(40, 64);
    weights.output = Tiles(64, 3 * 40);
    weights.layer_scale = Random(64, 1);
    floats.norm = weights.norm;
    floats.layer_scale = weights.layer_scale;
    if (down) {
      const auto key = Depthwise(64, 3, 2), value = Depthwise(64, 3, 2);
      for (auto* side : {&weights, &floats}) {
        const auto copy = [](const InvertedResidualWeights::Depthwise& from) {
          InvertedResidualWeights::Depthwise to;
          to.conv = {Tensor(from.conv.kernel.shape()), from.conv.kernel_size, from.conv.stride};
          std::copy_n(from.conv.kernel.data(), from.conv.kernel.size(), to.conv.kernel.data());
          to.norm = from.norm;
          return to;
        };
        side->key.down = copy(key);
        side->value.down = copy(value);
      }
    }
    floats.query = Floats(weights.query);
    floats.key.proj = Floats(weights.key.proj);
    floats.value.proj = Floats(weights.value.proj);
    floats.output = Floats(weights.output);
    const FeatureMap x = Map(13, 12, 64);
    const FeatureMap expected = RunBlock(std::move(floats), x, pool_);
    const BlockWeights quantized = std::move(weights);
    const FeatureMap found = RunBlock(quantized, x, pool_);
    EXPECT_LT(Difference(found, expected), 0.05) << down;
    EXPECT_GT(Difference(found, expected), 0) << down;
    ThreadPool one(1);
    ExpectSame(RunBlock(quantized, x, one), found);
  }
}

}  // namespace
}  // namespace gemma3n
