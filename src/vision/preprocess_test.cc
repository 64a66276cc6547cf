// SPDX-License-Identifier: Apache-2.0
#include "vision/preprocess.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

// One row of grey pixels.
std::vector<uint8_t> Resize(const std::vector<uint8_t>& row, int64_t out) {
  std::vector<uint8_t> rgb;
  for (uint8_t value : row) rgb.insert(rgb.end(), 3, value);
  const std::vector<uint8_t> resized =
      ResizeBilinear({static_cast<int64_t>(row.size()), 1, rgb}, out, 1);
  std::vector<uint8_t> grey;
  for (size_t i = 0; i < resized.size(); i += 3) grey.push_back(resized[i]);
  return grey;
}

// Bytes of PyTorch's antialiased bilinear resize.
TEST(Preprocess, GoldenRows) {
  const std::vector<uint8_t> row = {0, 50, 100, 150, 200, 251};
  EXPECT_EQ(Resize(row, 4), (std::vector<uint8_t>{19, 89, 161, 232}));
  EXPECT_EQ(Resize(row, 9), (std::vector<uint8_t>{0, 25, 58, 92, 125, 158, 192, 226, 251}));
  EXPECT_EQ(Resize(row, 6), row);
}

TEST(Preprocess, hostile_I03_ExtremeShapes) {
  const std::vector<uint8_t> one = {10, 20, 30};
  const std::vector<uint8_t> big = ResizeBilinear({1, 1, one}, 5, 7);
  ASSERT_EQ(big.size(), 5u * 7 * 3);
  for (size_t i = 0; i < big.size(); ++i) EXPECT_EQ(big[i], one[i % 3]);
  const std::vector<uint8_t> line(16384 * 3, 77);
  for (uint8_t value : ResizeBilinear({16384, 1, line}, 32, 32)) EXPECT_EQ(value, 77);
  for (uint8_t value : ResizeBilinear({1, 16384, line}, 32, 32)) EXPECT_EQ(value, 77);
}

TEST(Preprocess, ScalesToOne) {
  const std::vector<uint8_t> white(3, 255);
  const Tensor pixels = Preprocess({1, 1, white}, PreprocessConfig{}, 32);
  EXPECT_EQ(pixels.shape(), Shape({32, 32, 3}));
  EXPECT_FLOAT_EQ(pixels.data()[0], 1.0f);
}

}  // namespace
}  // namespace gemma3n
