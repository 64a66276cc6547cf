// SPDX-License-Identifier: Apache-2.0
// The goldens are made by tests/reference/make_gguf_goldens.py.
#include "tensor/blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "tensor/tensor.h"

namespace gemma3n {
namespace {

using testing::ElementsAreArray;

constexpr DType kTypes[] = {DType::kBlockQ40, DType::kBlockQ41,   DType::kBlockQ50,
                            DType::kBlockQ51, DType::kBlockQ80,   DType::kBlockQ2K,
                            DType::kBlockQ3K, DType::kBlockQ4K,   DType::kBlockQ5K,
                            DType::kBlockQ6K, DType::kBlockIQ4NL, DType::kBlockIQ4XS};
constexpr int64_t kBlocks = 2;

struct Golden {
  DType dtype;
  std::vector<std::byte> blocks;
  std::vector<float> elements;
};

std::vector<Golden> Goldens() {
  std::ifstream file(GEMMA3N_SOURCE_DIR "/tests/goldens/gguf/blocks.bin", std::ios::binary);
  std::vector<Golden> goldens;
  for (DType dtype : kTypes) {
    const blocks::Layout layout = blocks::LayoutOf(dtype);
    Golden golden{dtype, std::vector<std::byte>(kBlocks * layout.bytes),
                  std::vector<float>(kBlocks * layout.elements)};
    file.read(reinterpret_cast<char*>(golden.blocks.data()),
              static_cast<std::streamsize>(golden.blocks.size()));
    file.read(reinterpret_cast<char*>(golden.elements.data()),
              static_cast<std::streamsize>(golden.elements.size() * sizeof(float)));
    goldens.push_back(std::move(golden));
  }
  EXPECT_TRUE(file.good());
  EXPECT_EQ(file.peek(), std::ifstream::traits_type::eof());
  return goldens;
}

TEST(Blocks, EveryElementIsWhatTheFormatSays) {
  for (const Golden& golden : Goldens()) {
    std::vector<float> decoded(golden.elements.size());
    blocks::DecodeRow(golden.dtype, golden.blocks.data(), decoded.size(), 0, 0, decoded.size(),
                      decoded.data());
    EXPECT_THAT(decoded, ElementsAreArray(golden.elements)) << DTypeName(golden.dtype);
  }
}

TEST(Blocks, PartsOfRowsAreThoseOfTheWhole) {
  for (const Golden& golden : Goldens()) {
    // Two rows of one block each.
    const int64_t columns = blocks::LayoutOf(golden.dtype).elements;
    for (const auto& [begin, count] :
         {std::pair<int64_t, int64_t>{0, 1}, {3, 5}, {columns - 1, 1}, {5, columns - 5}}) {
      std::vector<float> part(count);
      blocks::DecodeRow(golden.dtype, golden.blocks.data(), columns, 1, begin, count, part.data());
      const auto first = golden.elements.begin() + columns + begin;
      EXPECT_THAT(part, ElementsAreArray(first, first + count)) << DTypeName(golden.dtype);
    }
  }
}

TEST(Blocks, ViewsKnowTheirBytesAndRows) {
  for (const Golden& golden : Goldens()) {
    const blocks::Layout layout = blocks::LayoutOf(golden.dtype);
    const TensorView view{golden.dtype, {kBlocks, layout.elements}, golden.blocks.data()};
    EXPECT_EQ(view.bytes(), golden.blocks.size());
    const std::vector<float> second = ToFloatVector(view.Rows(1, 2));
    EXPECT_THAT(second,
                ElementsAreArray(golden.elements.begin() + layout.elements, golden.elements.end()));
  }
}

// A pattern that can be read off by eye: q = 0 .. 15 twice, scale 2.
TEST(Blocks, Q40ByHand) {
  std::vector<uint8_t> block = {0x00, 0x40};  // 2.0 as f16
  for (int i = 0; i < 16; ++i) block.push_back(static_cast<uint8_t>(i | i << 4));
  float out[32];
  blocks::Decode(DType::kBlockQ40, reinterpret_cast<const std::byte*>(block.data()), out);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(out[i], 2.0f * static_cast<float>(i % 16 - 8));
}

TEST(Packed, TilesOf8BitsAreWithinHalfAStep) {
  constexpr int64_t kRows = 5, kColumns = 200;
  std::vector<float> weights(kRows * kColumns);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(static_cast<int>(i * 7919 % 1001) - 500) / 300.0f;
  }
  std::vector<std::byte> tile(packed::UnitBytes(DType::kQ8Tiles, kColumns));
  packed::PackQ8Tile(weights.data(), kRows, kColumns, tile.data());
  std::vector<float> row(kColumns);
  for (int64_t r = 0; r < packed::kTileRows; ++r) {
    packed::UnpackRow(DType::kQ8Tiles, tile.data(), kColumns, r, 0, kColumns, row.data());
    for (int64_t k = 0; k < kColumns; ++k) {
      const float expected = r < kRows ? weights[r * kColumns + k] : 0.0f;
      ASSERT_NEAR(row[k], expected, 500.0f / 300.0f / 127.0f * 0.501f) << r << " " << k;
    }
  }
}

TEST(Packed, TilesOf8BitsShowWhatIsNotFinite) {
  constexpr int64_t kRows = 3, kColumns = 200;
  for (float wrong : {NAN, -NAN, INFINITY, -INFINITY}) {
    std::vector<float> weights(kRows * kColumns, 2.0f);
    std::vector<std::byte> tile(packed::UnitBytes(DType::kQ8Tiles, kColumns));
    EXPECT_TRUE(packed::PackQ8Tile(weights.data(), kRows, kColumns, tile.data()));
    weights[kColumns + 7] = wrong;
    EXPECT_FALSE(packed::PackQ8Tile(weights.data(), kRows, kColumns, tile.data()));
    std::vector<float> row(kColumns);
    for (int64_t r = 0; r < kRows; ++r) {
      packed::UnpackRow(DType::kQ8Tiles, tile.data(), kColumns, r, 0, kColumns, row.data());
      EXPECT_EQ(std::isnan(row[0]), r == 1) << wrong;
      EXPECT_FLOAT_EQ(row[kColumns - 1], 2.0f) << wrong;
    }
  }
}

}  // namespace
}  // namespace gemma3n
