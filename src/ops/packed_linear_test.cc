// SPDX-License-Identifier: Apache-2.0
#include "ops/packed_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"
#include "ops/gather.h"

namespace gemma3n::ops {
namespace {

std::mt19937 generator(9);

std::vector<float> Random(size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

// A matrix of random elements, whose scales are near 0.01.
struct Packed {
  Packed(DType dtype, int64_t rows, int64_t columns)
      : data(packed::StoredBytes(dtype, {rows, columns})) {
    for (std::byte& b : data) b = static_cast<std::byte>(generator() & 255);
    view = {dtype, {rows, columns}, data.data()};
    const int64_t unit = packed::UnitBytes(dtype, columns), blocks = packed::Blocks(columns);
    for (size_t at = 0; at < data.size(); at += unit) {
      if (dtype == DType::kQ4Tiles) Scales(at, packed::kTileRows);
      if (dtype == DType::kQ4Rows) Scales(at, 1);
      if (dtype == DType::kQ8Rows) Scales(at, blocks);
      for (int64_t b = 0; dtype == DType::kQ8Tiles && b < blocks; ++b) {
        Scales(at + b * packed::kQ8Block, packed::kTileRows);
      }
    }
  }
  void Scales(size_t at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const float scale = 0.01f + 0.001f * static_cast<float>(i);
      std::memcpy(data.data() + at + i * 4, &scale, 4);
    }
  }
  std::vector<float> Row(int64_t row) const {
    std::vector<float> out(view.shape[1]);
    GatherRow(view, {.row = row, .begin = 0}, out);
    return out;
  }
  std::vector<std::byte> data;
  TensorView view;
};

// 8 bits of x: a part in 250 of each product, some of one sign and some of the other.
void ExpectNear(const std::vector<float>& row, const float* x, float found) {
  double expected = 0, squares = 0;
  for (size_t k = 0; k < row.size(); ++k) {
    expected += static_cast<double>(row[k]) * x[k];
    squares += static_cast<double>(row[k]) * row[k];
  }
  EXPECT_NEAR(found, expected, 0.05 * std::sqrt(squares));
}

TEST(TiledLinear, IsTheProductAndDoesNotDependOnRowsNorThreads) {
  constexpr int64_t kRows = 200, kIn = 300;
  const std::vector<float> x = Random(kRows * kIn);
  ThreadPool one(1), three(3);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    for (int64_t out : {5, 41, 64}) {  // part of a tile, an odd and an even number of tiles
      const Packed weight(dtype, out, kIn);
      std::vector<float> all(kRows * out), threaded(kRows * out), few(3 * out);
      Linear({x.data(), kRows, kIn}, weight.view, {all.data(), kRows, out}, one);
      Linear({x.data(), kRows, kIn}, weight.view, {threaded.data(), kRows, out}, three);
      EXPECT_EQ(all, threaded);
      for (int64_t row = 0; row + 3 <= kRows; row += 61) {
        Linear({x.data() + row * kIn, 3, kIn}, weight.view, {few.data(), 3, out}, three);
        ASSERT_TRUE(std::equal(few.begin(), few.end(), all.begin() + row * out)) << row;
        for (int64_t n = 0; n < out; ++n) {
          ExpectNear(weight.Row(n), x.data() + row * kIn, few[n]);
        }
      }
    }
  }
}

// A clip too short for a frame has no features.
TEST(TiledLinear, OfNoRowsIsNothing) {
  ThreadPool pool(2);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    const Packed weight(dtype, 41, 300);
    const float x = 0;
    float y = 7;
    Linear({&x, 0, 300}, weight.view, {&y, 0, 41}, pool);
    EXPECT_EQ(y, 7);
  }
}

// Few rows and many, through tiles and through single rows.
std::vector<float> EveryProduct(const std::vector<Packed>& tiled, const std::vector<Packed>& single,
                                const std::vector<float>& x, int64_t rows, int64_t columns) {
  ThreadPool pool(2);
  std::vector<float> all;
  for (const Packed& weight : tiled) {
    for (int64_t count : {int64_t{1}, int64_t{3}, rows}) {
      std::vector<float> y(count * weight.view.shape[0]);
      Linear({x.data(), count, columns}, weight.view, {y.data(), count, weight.view.shape[0]},
             pool);
      all.insert(all.end(), y.begin(), y.end());
    }
  }
  for (const Packed& weight : single) {
    const int64_t out = weight.view.shape[0];
    SparseRows selected;
    selected.Compress({x.data(), rows, columns}, out, pool);
    std::vector<float> y(selected.count()), sums(rows * columns);
    SelectedProducts({x.data(), rows, columns}, weight.view, selected, y, pool);
    WeightedRowSum(selected, weight.view, {sums.data(), rows, columns}, pool);
    all.insert(all.end(), y.begin(), y.end());
    all.insert(all.end(), sums.begin(), sums.end());
  }
  return all;
}

TEST(PackedWeights, EveryInstructionSetGivesTheSameBits) {
  constexpr int64_t kRows = 70, kColumns = 300;
  const std::vector<float> x = Random(kRows * kColumns);
  std::vector<Packed> tiled, single;
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) tiled.emplace_back(dtype, 41, kColumns);
  for (DType dtype : {DType::kQ4Rows, DType::kQ8Rows}) single.emplace_back(dtype, 41, kColumns);
  const std::vector<float> best = EveryProduct(tiled, single, x, kRows, kColumns);
  for (const std::string& isa : kernels::AvailableIsas()) {
    kernels::ForceIsa(isa);
    EXPECT_EQ(EveryProduct(tiled, single, x, kRows, kColumns), best) << isa;
    kernels::AllowEveryIsa();
  }
}

TEST(TiledLinear, AnyNumberOfRowsGivesTheBitsOfEachAlone) {
  constexpr int64_t kMost = 20, kIn = 256, kOut = 56;
  const std::vector<float> x = Random(kMost * kIn);
  ThreadPool pool(2);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    const Packed weight(dtype, kOut, kIn);
    std::vector<float> alone(kMost * kOut);
    for (int64_t row = 0; row < kMost; ++row) {
      Linear({x.data() + row * kIn, 1, kIn}, weight.view, {alone.data() + row * kOut, 1, kOut},
             pool);
    }
    for (int64_t rows = 2; rows <= kMost; ++rows) {
      std::vector<float> y(rows * kOut);
      Linear({x.data(), rows, kIn}, weight.view, {y.data(), rows, kOut}, pool);
      EXPECT_TRUE(std::equal(y.begin(), y.end(), alone.begin())) << rows;
    }
  }
}

TEST(TiledLinear, RowsOfAViewAreThoseOfTheWhole) {
  ThreadPool pool(2);
  const Packed weight(DType::kQ8Tiles, 64, 128);
  const std::vector<float> x = Random(128);
  std::vector<float> whole(64), part(20);
  Linear({x.data(), 1, 128}, weight.view, {whole.data(), 1, 64}, pool);
  Linear({x.data(), 1, 128}, weight.view.Rows(32, 52), {part.data(), 1, 20}, pool);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 32));
}

TEST(TiledLinear, FirstColumnsAreAProductOfTheirOwn) {
  constexpr int64_t kRows = 9, kIn = 256, kOut = 40;
  ThreadPool pool(2);
  const std::vector<float> x = Random(kRows * kIn);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    const Packed weight(dtype, kOut, 512);
    for (int64_t rows : {int64_t{1}, kRows}) {
      std::vector<float> y(rows * kOut);
      LinearOfFirst({x.data(), rows, kIn}, weight.view, kIn, {y.data(), rows, kOut}, pool);
      for (int64_t n = 0; n < kOut; ++n) {
        std::vector<float> row = weight.Row(n);
        row.resize(kIn);
        for (int64_t i = 0; i < rows; ++i) ExpectNear(row, x.data() + i * kIn, y[i * kOut + n]);
      }
    }
  }
}

TEST(SteppedLinear, AddsTheStepsAndDoesNotDependOnRowsNorThreads) {
  constexpr int64_t kRows = 270, kStep = 128, kSteps = 3;
  const std::vector<float> x = Random(kRows * kStep * kSteps);
  ThreadPool one(1), three(3);
  for (DType dtype : {DType::kQ4Tiles, DType::kQ8Tiles}) {
    for (int64_t out : {16, 48, 64}) {  // an odd and an even number of tiles
      const Packed weight(dtype, kSteps * out, kStep);
      std::vector<float> all(kRows * out), threaded(kRows * out), few(2 * out);
      SteppedLinear({x.data(), kRows, kStep * kSteps}, weight.view, {all.data(), kRows, out}, out,
                    one);
      SteppedLinear({x.data(), kRows, kStep * kSteps}, weight.view, {threaded.data(), kRows, out},
                    out, three);
      EXPECT_EQ(all, threaded);
      for (int64_t row = 0; row + 2 <= kRows; row += 67) {
        const float* from = x.data() + row * kStep * kSteps;
        SteppedLinear({from, 2, kStep * kSteps}, weight.view, {few.data(), 2, out}, out, three);
        ASSERT_TRUE(std::equal(few.begin(), few.end(), all.begin() + row * out)) << row;
        for (int64_t n = 0; n < out; ++n) {
          std::vector<float> whole;
          for (int64_t step = 0; step < kSteps; ++step) {
            const std::vector<float> part = weight.Row(step * out + n);
            whole.insert(whole.end(), part.begin(), part.end());
          }
          ExpectNear(whole, from, few[n]);
        }
      }
    }
  }
}

TEST(SelectedProducts, AreTheEntriesAsked) {
  constexpr int64_t kRows = 7, kIn = 200, kOut = 530;
  const std::vector<float> x = Random(kRows * kIn);
  std::vector<float> gates(kRows * kOut);
  for (size_t i = 0; i < gates.size(); i += 1 + i / kOut) gates[i] = 1;  // the first row: all
  ThreadPool pool(2);
  for (DType dtype : {DType::kQ4Rows, DType::kQ8Rows}) {
    const Packed weight(dtype, kOut, kIn);
    SparseRows selected;
    selected.Compress({gates.data(), kRows, kOut}, kOut, pool);
    ASSERT_EQ(selected.rows(), kRows);
    std::vector<float> y(selected.count());
    SelectedProducts({x.data(), kRows, kIn}, weight.view, selected, y, pool);
    for (int64_t row = 0; row < kRows; ++row) {
      int64_t at = selected.begin(row);
      for (int64_t n = 0; n < kOut; ++n) {
        if (gates[row * kOut + n] == 0) continue;
        ASSERT_EQ(selected.columns()[at], n);
        ExpectNear(weight.Row(n), x.data() + row * kIn, y[at++]);
      }
      ASSERT_EQ(at, selected.end(row));
      SparseRows one;  // a row alone has the same bits
      one.Compress({gates.data() + row * kOut, 1, kOut}, kOut, pool);
      std::vector<float> alone(one.count());
      SelectedProducts({x.data() + row * kIn, 1, kIn}, weight.view, one, alone, pool);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), y.begin() + selected.begin(row)));
    }
  }
}

TEST(SparseRows, KeepWhatIsNotZero) {
  ThreadPool pool(2);
  const std::vector<float> x = {0, 1, -2, 9, 0, 0, 0, 9, 3, -0.0f, 4, 9};  // a stride of 4
  SparseRows sparse;
  for (int again = 0; again < 2; ++again) {
    sparse.Compress({x.data(), 3, 4}, 3, pool);
    EXPECT_EQ(sparse.rows(), 3);
    EXPECT_EQ(std::vector<float>(sparse.values().begin(), sparse.values().end()),
              (std::vector<float>{1, -2, 3, 4}));
    EXPECT_EQ(std::vector<int32_t>(sparse.columns().begin(), sparse.columns().end()),
              (std::vector<int32_t>{1, 2, 0, 2}));
    EXPECT_EQ(sparse.begin(1), sparse.end(1));
  }
}

TEST(WeightedRowSum, AddsTheRowsThatCount) {
  constexpr int64_t kRows = 3, kIn = 50, kOut = 700;
  ThreadPool pool(2);
  std::vector<float> x = Random(kRows * kIn);
  for (size_t i = 0; i < x.size(); ++i) {
    if (i % 4 != 0) x[i] = 0;
  }
  for (DType dtype : {DType::kQ4Rows, DType::kQ8Rows}) {
    const Packed weight(dtype, kIn, kOut);
    std::vector<double> expected(kRows * kOut);
    for (int64_t n = 0; n < kIn; ++n) {
      const std::vector<float> row = weight.Row(n);
      for (int64_t i = 0; i < kRows; ++i) {
        for (int64_t k = 0; k < kOut; ++k) {
          expected[i * kOut + k] += static_cast<double>(x[i * kIn + n]) * row[k];
        }
      }
    }
    std::vector<float> y(kRows * kOut);
    SparseRows sparse;
    sparse.Compress({x.data(), kRows, kIn}, kIn, pool);
    WeightedRowSum(sparse, weight.view, {y.data(), kRows, kOut}, pool);
    for (int64_t i = 0; i < kRows * kOut; ++i) EXPECT_NEAR(y[i], expected[i], 1e-3);
  }
}

}  // namespace
}  // namespace gemma3n::ops
