// SPDX-License-Identifier: Apache-2.0
#include "kernels/int_dot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/isa.h"

namespace gemma3n::kernels {
namespace {

using packed::kTileRows;

std::mt19937 generator(3);

float Number(float low, float high) {
  return std::uniform_real_distribution<float>(low, high)(generator);
}

// Any bytes are elements; only the scales must be numbers.
std::vector<std::byte> RandomUnits(DType dtype, int64_t units, int64_t columns) {
  const int64_t bytes = packed::UnitBytes(dtype, columns), blocks = packed::Blocks(columns);
  std::vector<std::byte> data(units * bytes);
  for (std::byte& b : data) b = static_cast<std::byte>(generator() & 255);
  const auto put = [&](int64_t at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const float scale = Number(0.001f, 0.01f);
      std::memcpy(data.data() + at + i * 4, &scale, 4);
    }
  };
  for (int64_t unit = 0; unit < units; ++unit) {
    const int64_t at = unit * bytes;
    if (dtype == DType::kQ4Tiles) put(at, kTileRows);
    if (dtype == DType::kQ4Rows) put(at, 1);
    if (dtype == DType::kQ8Rows) put(at, blocks);
    for (int64_t b = 0; dtype == DType::kQ8Tiles && b < blocks; ++b) {
      put(at + b * packed::kQ8Block, kTileRows);
    }
  }
  return data;
}

// Rows of x, quantized, among them the largest values there are.
class Rows {
 public:
  Rows(int count, int64_t columns) {
    const int64_t blocks = packed::Blocks(columns);
    memory_.resize(count * QuantizedRowBytes(blocks));
    for (int i = 0; i < count; ++i) {
      std::vector<float> x(columns);
      for (float& value : x) value = i == 0 ? (generator() & 1 ? 1.0f : -1.0f) : Number(-2, 3);
      QuantizeRow(x.data(), columns, memory_.data() + i * QuantizedRowBytes(blocks));
      rows.push_back(QuantizedRowAt(memory_.data() + i * QuantizedRowBytes(blocks), blocks));
      floats.push_back(std::move(x));
    }
  }
  std::vector<QuantizedRow> rows;
  std::vector<std::vector<float>> floats;

 private:
  std::vector<std::byte> memory_;
};

constexpr int64_t kColumns = 389;  // padded to four blocks
constexpr int kRows = IntKernels::kMostRows;

TEST(QuantizeRow, IsWithinHalfAStepAndZeroBeyondTheEnd) {
  const Rows x(3, kColumns);
  for (size_t i = 0; i < x.rows.size(); ++i) {
    for (int64_t k = 0; k < 512; ++k) {
      const float scale = x.rows[i].scales[k / 128];
      const float value = k < kColumns ? x.floats[i][k] : 0.0f;
      EXPECT_NEAR(x.rows[i].values[k] * scale, value, scale * 0.501f) << k;
    }
    EXPECT_EQ(x.rows[i].scales[0], [&] {
      float largest = 0;
      for (int k = 0; k < 128; ++k) largest = std::max(largest, std::abs(x.floats[i][k]));
      return largest / 127.0f;
    }());
  }
}

TEST(QuantizeRow, ShowsWhatIsNotFinite) {
  for (float wrong : {INFINITY, NAN}) {
    std::vector<float> x(200, 1.0f);
    x[150] = wrong;
    std::vector<std::byte> memory(QuantizedRowBytes(2));
    QuantizeRow(x.data(), 200, memory.data());
    const QuantizedRow row = QuantizedRowAt(memory.data(), 2);
    EXPECT_FLOAT_EQ(row.scales[0], 1.0f / 127);
    EXPECT_TRUE(std::isnan(row.scales[1]));
  }
}

// What the elements mean, by packed.h's plain reading, is what the plain kernels multiply.
TEST(IntKernels, PlainIsTheProductOfTheElements) {
  const IntKernels& plain = *AvailableIntKernels().back();
  const Rows x(2, kColumns);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles, DType::kQ4Rows, DType::kQ8Rows}) {
    const bool tiled = packed::IsTiled(dtype),
               four = dtype == DType::kQ4Tiles || dtype == DType::kQ4Rows;
    const auto data = RandomUnits(dtype, tiled ? 1 : kTileRows, kColumns);
    for (int64_t r = 0; r < kTileRows; ++r) {
      std::vector<float> row(512);
      packed::UnpackRow(dtype, data.data(), kColumns, r, 0, 512, row.data());
      double expected = 0, size = 0;
      for (int64_t k = 0; k < 512; ++k) {
        const double term =
            static_cast<double>(row[k]) * x.rows[1].values[k] * x.rows[1].scales[k / 128];
        expected += term;
        size += std::abs(term);
      }
      float y[kTileRows];
      const std::byte* own = data.data() + r * packed::UnitBytes(dtype, kColumns);
      if (tiled) {
        (four ? plain.q4_tile : plain.q8_tile)(data.data(), 4, &x.rows[1], 1, y, kTileRows);
      } else {
        y[r] = (four ? plain.q4_row : plain.q8_row)(own, 4, x.rows[1]);
        std::vector<float> sum(512, 1.0f);
        (four ? plain.add_q4_row : plain.add_q8_row)(own, 4, 0, 4, 0.5f, sum.data());
        for (int k = 0; k < 512; ++k) ASSERT_NEAR(sum[k], 1 + 0.5f * row[k], 1e-5);
      }
      EXPECT_NEAR(y[r], expected, 1e-6 * size) << DTypeName(dtype) << r;
    }
  }
}

class EveryIsa : public testing::TestWithParam<const IntKernels*> {
 protected:
  const IntKernels& ours = *GetParam();
  const IntKernels& plain = *AvailableIntKernels().back();
  const Rows x{kRows, kColumns};
};

TEST_P(EveryIsa, TilesAreThePlainOnesBitForBit) {
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    const bool four = dtype == DType::kQ4Tiles;
    const auto tile = RandomUnits(dtype, 1, kColumns);
    for (int n = 1; n <= kRows; ++n) {
      std::vector<float> expected(n * 20), found(n * 20);
      (four ? plain.q4_tile : plain.q8_tile)(tile.data(), 4, x.rows.data(), n, expected.data(), 20);
      (four ? ours.q4_tile : ours.q8_tile)(tile.data(), 4, x.rows.data(), n, found.data(), 20);
      EXPECT_EQ(found, expected) << DTypeName(dtype) << n;
    }
  }
}

TEST_P(EveryIsa, PairsOfTilesAreTwoTiles) {
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    const bool four = dtype == DType::kQ4Tiles;
    if (four && ours.q4_pair == nullptr) continue;
    const auto tiles = RandomUnits(dtype, 2, kColumns);
    const int64_t bytes = packed::UnitBytes(dtype, kColumns);
    std::vector<uint8_t> wide(2 * 4 * 2048);
    if (four) {
      std::vector<uint8_t> expected(4 * 2048);
      for (int i : {0, 1}) {
        ours.widen_q4_tile(tiles.data() + i * bytes, 4, wide.data() + i * 4 * 2048);
        plain.widen_q4_tile(tiles.data() + i * bytes, 4, expected.data());
        EXPECT_EQ(std::memcmp(expected.data(), wide.data() + i * 4 * 2048, expected.size()), 0);
      }
    }
    for (int n = 1; n <= kRows; ++n) {
      std::vector<float> expected(n * 32), found(n * 32);
      for (int i : {0, 1}) {
        (four ? plain.q4_tile : plain.q8_tile)(tiles.data() + i * bytes, 4, x.rows.data(), n,
                                               expected.data() + i * 16, 32);
      }
      if (four) {
        ours.q4_pair(wide.data(), tiles.data(), 4, x.rows.data(), n, found.data(), 32);
      } else {
        ours.q8_pair(tiles.data(), 4, x.rows.data(), n, found.data(), 32);
      }
      EXPECT_EQ(found, expected) << DTypeName(dtype) << n;
    }
  }
}

TEST_P(EveryIsa, SingleRowsAreThePlainOnes) {
  for (DType dtype : {DType::kQ4Rows, DType::kQ8Rows}) {
    const bool four = dtype == DType::kQ4Rows;
    const auto row = RandomUnits(dtype, 1, kColumns);
    for (int i = 0; i < kRows; ++i) {
      EXPECT_EQ((four ? ours.q4_row : ours.q8_row)(row.data(), 4, x.rows[i]),
                (four ? plain.q4_row : plain.q8_row)(row.data(), 4, x.rows[i]));
    }
    std::vector<float> expected(384, 0.25f), found(384, 0.25f);
    (four ? plain.add_q4_row : plain.add_q8_row)(row.data(), 4, 1, 4, 0.7f, expected.data());
    (four ? ours.add_q4_row : ours.add_q8_row)(row.data(), 4, 1, 4, 0.7f, found.data());
    EXPECT_EQ(found, expected) << DTypeName(dtype);
  }
}

TEST_P(EveryIsa, BlocksAreQuantizedAlike) {
  for (int kind = 0; kind < 8; ++kind) {
    float block[packed::kBlock];
    for (float& value : block) value = Number(-3, 2);
    if (kind == 1) block[77] = NAN;
    if (kind == 2) block[127] = -INFINITY;
    if (kind == 3) std::fill(std::begin(block), std::end(block), -0.0f);
    if (kind == 4) std::fill(std::begin(block), std::end(block), 1e-31f);
    if (kind == 5) block[3] = -3e38f;
    // Ties: halves of the step that the largest value sets.
    for (int k = 0; kind == 6 && k < packed::kBlock; ++k) block[k] = 0.5f * static_cast<float>(k);
    if (kind == 6) block[127] = 127;
    int8_t expected[packed::kBlock], found[packed::kBlock];
    int32_t expected_sums[packed::kGroups], found_sums[packed::kGroups];
    const float expected_scale = plain.quantize_block(block, expected, expected_sums);
    const float found_scale = ours.quantize_block(block, found, found_sums);
    EXPECT_EQ(std::memcmp(expected, found, sizeof(found)), 0) << kind;
    EXPECT_EQ(std::memcmp(expected_sums, found_sums, sizeof(found_sums)), 0) << kind;
    EXPECT_TRUE(expected_scale == found_scale ||
                (std::isnan(expected_scale) && std::isnan(found_scale)))
        << kind;
  }
}

#if defined(__x86_64__)
// By the kernel's word, not by our own question to the processor: a table that is wrongly missing
// would be missing from the tests above as well.
TEST(IntKernels, AreAllThatTheSystemSaysThisProcessorHas) {
  std::ifstream file("/proc/cpuinfo");
  std::string flags;
  for (std::string line; flags.empty() && std::getline(file, line);) {
    if (line.rfind("flags", 0) == 0) flags = line + " ";
  }
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo does not say";
  std::vector<std::string> expected, found;
  for (const auto& [flag, name] :
       {std::pair{"avx512_vnni", "avx512vnni"}, std::pair{"avx_vnni", "avxvnni"},
        std::pair{"avx512_vnni", "avx512vl"}, std::pair{"fma", "avx2"}}) {
    const bool has = flags.find(std::string(" ") + flag + " ") != std::string::npos;
    if (has && flags.find(" avx2 ") != std::string::npos) expected.push_back(name);
  }
  expected.push_back("plain");
  for (const IntKernels* kernels : AvailableIntKernels()) found.push_back(kernels->name);
  EXPECT_EQ(found, expected);
}

TEST(IntKernels, WithoutAvx512AreThoseOfAvx2) {
  const std::vector<const IntKernels*> all = AvailableIntKernels();
  const auto has = [&](const std::string& name) {
    return std::any_of(all.begin(), all.end(),
                       [&](auto* kernels) { return kernels->name == name; });
  };
  if (!has("avx2")) GTEST_SKIP() << "this processor has no AVX2";
  ForceIsa("avx2");
  EXPECT_EQ(std::string(ActiveIntKernels().name), has("avxvnni") ? "avxvnni" : "avx2");
  EXPECT_EQ(AvailableIntKernels().size(), has("avxvnni") ? 3u : 2u);
  ForceIsa("sse4");
  EXPECT_EQ(std::string(ActiveIntKernels().name), "plain");
  AllowEveryIsa();
  EXPECT_EQ(AvailableIntKernels(), all);
}
#endif

INSTANTIATE_TEST_SUITE_P(IntKernels, EveryIsa, testing::ValuesIn(AvailableIntKernels()),
                         [](const auto& kernels) { return std::string(kernels.param->name); });

}  // namespace
}  // namespace gemma3n::kernels
