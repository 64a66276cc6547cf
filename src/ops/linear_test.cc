// SPDX-License-Identifier: Apache-2.0
#include "ops/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace gemma3n::ops {
namespace {

std::vector<float> Random(size_t n) {
  static std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

TensorView View(DType dtype, Shape shape, const void* data) {
  return {dtype, std::move(shape), static_cast<const std::byte*>(data)};
}

TEST(Linear, MultipliesByTheTransposedWeight) {
  ThreadPool pool(2);
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  const std::vector<float> w = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  std::vector<float> y(8);
  Linear(ConstRows{x.data(), 2, 3}, View(DType::kF32, {4, 3}, w.data()),
         MutableRows{y.data(), 2, 4}, pool);
  EXPECT_EQ(y, (std::vector<float>{1, 2, 3, 6, 4, 5, 6, 15}));
}

// The promise that chunked prefill and streaming audio stand on.
TEST(Linear, RowsDoNotDependOnTheirNumberNorOnThreads) {
  constexpr int64_t kRows = 211, kIn = 77, kOut = 101;
  const std::vector<float> x = Random(kRows * kIn);
  std::vector<Bf16> bf16;
  std::vector<F16> f16;
  const std::vector<float> f32 = Random(kOut * kIn);
  for (float value : f32) {
    bf16.push_back(ToBf16(value));
    f16.push_back(ToF16(value));
  }
  ThreadPool one(1), three(3);
  for (const TensorView& weight :
       {View(DType::kF32, {kOut, kIn}, f32.data()), View(DType::kBF16, {kOut, kIn}, bf16.data()),
        View(DType::kF16, {kOut, kIn}, f16.data())}) {
    std::vector<float> all(kRows * kOut), threaded(kRows * kOut), single(kOut);
    Linear({x.data(), kRows, kIn}, weight, {all.data(), kRows, kOut}, one);
    Linear({x.data(), kRows, kIn}, weight, {threaded.data(), kRows, kOut}, three);
    EXPECT_EQ(all, threaded);
    for (int64_t row = 0; row < kRows; ++row) {
      Linear({x.data() + row * kIn, 1, kIn}, weight, {single.data(), 1, kOut}, one);
      ASSERT_TRUE(std::equal(single.begin(), single.end(), all.begin() + row * kOut)) << row;
    }
  }
}

TEST(LinearOfFirst, IsTheProductWithAWeightThatHasNoOtherColumns) {
  constexpr int64_t kRows = 13, kIn = 96, kStored = 131, kOut = 37;
  const std::vector<float> x = Random(kRows * kIn), whole = Random(kOut * kStored);
  std::vector<float> cut;
  std::vector<Bf16> whole_bf16, cut_bf16;
  for (int64_t n = 0; n < kOut; ++n) {
    const auto row = whole.begin() + n * kStored;
    cut.insert(cut.end(), row, row + kIn);
  }
  for (float value : whole) whole_bf16.push_back(ToBf16(value));
  for (float value : cut) cut_bf16.push_back(ToBf16(value));
  ThreadPool pool(2);
  const auto expect = [&](const TensorView& stored, const TensorView& alone) {
    for (int64_t rows : {int64_t{1}, kRows}) {
      std::vector<float> found(rows * kOut), expected(rows * kOut);
      LinearOfFirst({x.data(), rows, kIn}, stored, kIn, {found.data(), rows, kOut}, pool);
      Linear({x.data(), rows, kIn}, alone, {expected.data(), rows, kOut}, pool);
      EXPECT_EQ(found, expected);
    }
  };
  expect(View(DType::kF32, {kOut, kStored}, whole.data()),
         View(DType::kF32, {kOut, kIn}, cut.data()));
  expect(View(DType::kBF16, {kOut, kStored}, whole_bf16.data()),
         View(DType::kBF16, {kOut, kIn}, cut_bf16.data()));
}

TEST(Linear, StridesLeaveTheGapsAlone) {
  ThreadPool pool(1);
  const std::vector<float> x = {1, 9, 2, 9};
  const std::vector<float> w = {3};
  std::vector<float> y = {0, 7, 0, 7};
  Linear(ConstRows{x.data(), 2, 2}, View(DType::kF32, {1, 1}, w.data()),
         MutableRows{y.data(), 2, 2}, pool);
  EXPECT_EQ(y, (std::vector<float>{3, 7, 6, 7}));
}

}  // namespace
}  // namespace gemma3n::ops
