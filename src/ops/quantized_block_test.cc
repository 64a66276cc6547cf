// SPDX-License-Identifier: Apache-2.0
#include "ops/quantized_block.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "ops/linear.h"

namespace gemma3n::ops {
namespace {

std::vector<float> Random(size_t n) {
  static std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

TensorView View(const ByteTiles& tiles) {
  return {DType::kQ8Tiles, {tiles.rows, tiles.columns}, tiles.data};
}

TEST(QuantizedBlock, MultipliesAsLinearDoes) {
  ThreadPool pool(2);
  for (auto [rows, out, in] : {std::tuple{13, 48, 200}, {6, 40, 128}, {1, 16, 70}}) {
    const std::vector<float> x = Random(rows * in), w = Random(out * in);
    OwnedTiles weight;
    weight.Round({w.data(), out, in}, in, pool);
    QuantizedBlock block;
    block.Reset(rows, in);
    for (int64_t i = 0; i < rows; ++i) block.Quantize(i, x.data() + i * in);
    const int64_t stride = weight.tiles().padded_rows();
    std::vector<float> found(rows * stride), expected(rows * out);
    MultiplyTiles(block, weight.tiles(), found.data());
    Linear({x.data(), rows, in}, View(weight.tiles()), {expected.data(), rows, out}, pool);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t n = 0; n < out; ++n) {
        EXPECT_EQ(found[i * stride + n], expected[i * out + n]) << i << " " << n;
      }
    }
  }
}

TEST(QuantizedBlock, CopiesAndClearsBlocks) {
  const std::vector<float> x = Random(3 * 128);
  QuantizedBlock pixels, row, whole;
  pixels.Reset(3, 128);
  for (int64_t i = 0; i < 3; ++i) pixels.Quantize(i, x.data() + i * 128);
  row.Reset(1, 3 * 128);
  row.CopyBlocks(0, 0, pixels, 2);
  row.ClearBlocks(0, 1, 1);
  row.CopyBlocks(0, 2, pixels, 0);
  std::vector<float> joined(3 * 128);
  std::copy_n(x.begin() + 256, 128, joined.begin());
  std::copy_n(x.begin(), 128, joined.begin() + 256);
  whole.Reset(1, 3 * 128);
  whole.Quantize(0, joined.data());
  for (int64_t k = 0; k < 3 * 128; ++k) EXPECT_EQ(row.data()->values[k], whole.data()->values[k]);
  for (int64_t b = 0; b < 3; ++b) {
    EXPECT_EQ(row.data()->scales[b], whole.data()->scales[b]);
    EXPECT_EQ(row.data()->block_offsets[b], whole.data()->block_offsets[b]);
  }
}

TEST(QuantizedBlock, SumsWhatItRounded) {
  const std::vector<float> x = Random(300);
  QuantizedBlock block;
  block.Reset(1, 300);
  block.Quantize(0, x.data());
  double expected = 0;
  for (int64_t k = 0; k < 300; ++k) {
    expected += static_cast<double>(block.data()->scales[k / 128]) * block.data()->values[k];
  }
  EXPECT_NEAR(block.SumOf(0), expected, 1e-5);
}

TEST(OwnedTiles, RoundRowsAndColumns) {
  ThreadPool pool(2);
  constexpr int64_t kRows = 150, kColumns = 20;
  const std::vector<float> x = Random(kRows * kColumns);
  OwnedTiles tiles, transposed;
  tiles.Round({x.data(), kRows, kColumns}, kColumns, pool);
  transposed.RoundTransposed({x.data(), kRows, kColumns}, kColumns, pool);
  ASSERT_EQ(transposed.tiles().rows, kColumns);
  ASSERT_EQ(transposed.tiles().columns, kRows);
  for (int64_t row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < kColumns; ++column) {
      float a, b;
      packed::UnpackRow(DType::kQ8Tiles, tiles.tiles().data, kColumns, row, column, 1, &a);
      packed::UnpackRow(DType::kQ8Tiles, transposed.tiles().data, kRows, column, row, 1, &b);
      EXPECT_NEAR(a, x[row * kColumns + column], 0.02) << row << " " << column;
      EXPECT_NEAR(b, x[row * kColumns + column], 0.02) << row << " " << column;
    }
  }
}

}  // namespace
}  // namespace gemma3n::ops
