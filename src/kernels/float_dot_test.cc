// SPDX-License-Identifier: Apache-2.0
#include "kernels/float_dot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/isa.h"

namespace gemma3n::kernels {
namespace {

class FloatDot : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceIsa(GetParam()); }
  void TearDown() override { AllowEveryIsa(); }
};

std::mt19937 generator(11);

std::vector<float> Random(size_t n) {
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

template <class T>
T Narrow(float value);
template <>
float Narrow<float>(float value) {
  return value;
}
template <>
Bf16 Narrow<Bf16>(float value) {
  return ToBf16(value);
}
template <>
F16 Narrow<F16>(float value) {
  return ToF16(value);
}

// A tile against a double loop, and each of its results against the one-by-one tile, which must
// agree to the bit.
template <class T>
void CheckShape(size_t rows, size_t cols, size_t depth) {
  const TileShape shape{rows, cols, depth, depth + 3, depth + 1, cols + 2};
  const std::vector<float> x = Random(rows * shape.x_stride);
  std::vector<T> w;
  for (float value : Random(cols * shape.w_stride)) w.push_back(Narrow<T>(value));
  std::vector<float> y(rows * shape.y_stride, 42.0f);
  DotTile(x.data(), w.data(), shape, y.data());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      double expected = 0;
      for (size_t k = 0; k < depth; ++k) {
        expected += double{x[r * shape.x_stride + k]} * ToFloat(w[c * shape.w_stride + k]);
      }
      const float found = y[r * shape.y_stride + c];
      ASSERT_NEAR(found, expected, 1e-5 * std::sqrt(depth) + 1e-5);
      float alone = 0;
      DotTile(x.data() + r * shape.x_stride, w.data() + c * shape.w_stride,
              TileShape{1, 1, depth, 0, 0, 0}, &alone);
      ASSERT_EQ(found, alone) << "depends on its neighbours";
    }
    ASSERT_EQ(y[r * shape.y_stride + cols], 42.0f) << "wrote past the row";
  }
}

template <class T>
void CheckShapes() {
  for (size_t depth : {1, 7, 16, 48, 130}) {
    for (size_t rows : {1, 2, 3, 5, 6, 7, 13}) {
      for (size_t cols : {1, 3, 4, 9}) CheckShape<T>(rows, cols, depth);
    }
  }
  // Walked in steps of k: whole steps, a ragged last one, more rows and columns than a step takes.
  for (size_t depth : {1024, 1029, 1600}) {
    for (size_t rows : {6, 12, 31}) {
      for (size_t cols : {8, 41}) CheckShape<T>(rows, cols, depth);
    }
  }
}

TEST_P(FloatDot, Float32Weights) {
  CheckShapes<float>();
}
TEST_P(FloatDot, Bf16Weights) {
  CheckShapes<Bf16>();
}
TEST_P(FloatDot, F16Weights) {
  CheckShapes<F16>();
}

INSTANTIATE_TEST_SUITE_P(Isa, FloatDot, testing::ValuesIn(AvailableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace gemma3n::kernels
