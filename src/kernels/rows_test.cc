// SPDX-License-Identifier: Apache-2.0
// Every float row kernel on every instruction set this processor has, against plain double loops,
// on ragged lengths and unaligned pointers.
#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "kernels/isa.h"

namespace gemma3n::kernels {
namespace {

// Elementwise kernels are good to a few units in the last place; sums of up to 1000 float terms to
// about sqrt(1000) of them.
constexpr double kElementTolerance = 1e-6;
constexpr double kSumTolerance = 1e-5;

class Rows : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceIsa(GetParam()); }
  void TearDown() override { AllowEveryIsa(); }

  static std::vector<float> Random(size_t n, float scale = 2.0f) {
    static std::mt19937 generator(7);
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(n + 1);  // one more, so that data() + 1 is an unaligned row
    for (float& value : values) value = normal(generator);
    return values;
  }

  static void ExpectElementwise(const std::function<void(const float*, size_t, float*)>& kernel,
                                const std::function<double(double)>& oracle) {
    for (size_t n : {1, 3, 4, 15, 16, 17, 33, 257}) {
      const std::vector<float> x = Random(n);
      std::vector<float> y(n + 2, 42.0f);
      kernel(x.data() + 1, n, y.data() + 1);
      for (size_t i = 0; i < n; ++i) {
        const double expected = oracle(x[i + 1]);
        EXPECT_NEAR(y[i + 1], expected, kElementTolerance * std::max(1.0, std::abs(expected)));
      }
      EXPECT_EQ(y[0], 42.0f);
      EXPECT_EQ(y[n + 1], 42.0f) << "wrote past the end";
    }
  }
};

TEST_P(Rows, ElementwiseFunctions) {
  ExpectElementwise(Gelu, [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  });
  ExpectElementwise(Silu, [](double x) { return x / (1 + std::exp(-x)); });
  ExpectElementwise(Sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); });
  ExpectElementwise(Tanh, [](double x) { return std::tanh(x); });
  ExpectElementwise([](const float* x, size_t n, float* y) { SoftCap(x, 30.0f, n, y); },
                    [](double x) { return 30 * std::tanh(x / 30); });
  ExpectElementwise([](const float* x, size_t n, float* y) { Scale(x, 0.3f, n, y); },
                    [](double x) { return 0.3f * x; });
}

TEST_P(Rows, ExtremesStayFinite) {
  const std::vector<float> x = {-1e4f, -90.0f, 0.0f, 90.0f, 1e4f};
  std::vector<float> y(x.size());
  Gelu(x.data(), x.size(), y.data());
  EXPECT_NEAR(y[0], 0.0f, 1e-30f);
  EXPECT_EQ(y[2], 0.0f);
  EXPECT_EQ(y[4], 1e4f);
  Tanh(x.data(), x.size(), y.data());
  EXPECT_EQ(y[0], -1.0f);
  EXPECT_EQ(y[4], 1.0f);
  Sigmoid(x.data(), x.size(), y.data());
  EXPECT_NEAR(y[0], 0.0f, 1e-37f);
  EXPECT_EQ(y[4], 1.0f);
}

TEST_P(Rows, Reductions) {
  for (size_t n : {1, 5, 16, 63, 64, 65, 1000}) {
    const std::vector<float> a = Random(n), b = Random(n);
    double sum = 0, squares = 0, dot = 0, largest = a[1];
    for (size_t i = 1; i <= n; ++i) {
      sum += a[i];
      squares += double{a[i]} * a[i];
      dot += double{a[i]} * b[i];
      largest = std::max<double>(largest, a[i]);
    }
    const double scale = squares + 1;
    EXPECT_NEAR(Sum(a.data() + 1, n), sum, kSumTolerance * scale);
    EXPECT_NEAR(SumOfSquares(a.data() + 1, n), squares, kSumTolerance * scale);
    EXPECT_NEAR(Dot(a.data() + 1, b.data() + 1, n), dot, kSumTolerance * scale);
    EXPECT_EQ(MaxOf(a.data() + 1, n), static_cast<float>(largest));
  }
}

TEST_P(Rows, TwoRowArithmetic) {
  for (size_t n : {1, 16, 19}) {
    const std::vector<float> a = Random(n), b = Random(n), start = Random(n);
    std::vector<float> y(n);
    Add(a.data(), b.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], a[i] + b[i]);
    Multiply(a.data(), b.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], a[i] * b[i]);
    std::copy_n(start.begin(), n, y.begin());
    AddScaled(a.data(), 0.5f, n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_FLOAT_EQ(y[i], start[i] + 0.5f * a[i]);
    std::copy_n(start.begin(), n, y.begin());
    AddProduct(a.data(), b.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], start[i] + a[i] * b[i], 1e-5);
  }
}

TEST_P(Rows, FusedRowsAreTheirParts) {
  for (size_t n : {1, 16, 37}) {
    std::vector<float> a(n), b(n), c(n), y(n), norm(n), again(n);
    for (size_t i = 0; i < n; ++i) {
      a[i] = std::sin(static_cast<float>(i) + 1);
      b[i] = 2 - 0.1f * static_cast<float>(i);
      c[i] = std::cos(static_cast<float>(i));
    }
    RmsNorm(a.data(), b.data(), 1e-6f, n, norm.data());
    AddRmsNorm(a.data(), b.data(), 1e-6f, c.data(), n, y.data());
    again = a;
    AddRmsNorm(again.data(), b.data(), 1e-6f, c.data(), n, again.data());
    EXPECT_EQ(again, y);
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], c[i] + norm[i], 1e-6);
    ScaledSum(a.data(), b.data(), c.data(), 0.5f, n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_FLOAT_EQ(y[i], 0.5f * ((a[i] + b[i]) + c[i]));
  }
}

TEST_P(Rows, RmsNormMatchesItsFormula) {
  for (size_t n : {1, 17, 256}) {
    const std::vector<float> x = Random(n), w = Random(n);
    std::vector<float> y(n);
    double squares = 0;
    for (size_t i = 0; i < n; ++i) squares += double{x[i]} * x[i];
    const double factor = 1 / std::sqrt(squares / n + 1e-6);
    RmsNorm(x.data(), w.data(), 1e-6f, n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], x[i] * factor * w[i], 1e-5);
    RmsNorm(x.data(), nullptr, 1e-6f, n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], x[i] * factor, 1e-5);
  }
}

TEST_P(Rows, SoftmaxSumsToOneAndDropsMinusInfinity) {
  for (size_t n : {1, 2, 40, 513}) {
    std::vector<float> x = Random(n, 5.0f), y(n);
    if (n > 1) x[1] = -std::numeric_limits<float>::infinity();
    Softmax(x.data(), n, y.data());
    double total = 0;
    for (size_t i = 0; i < n; ++i) total += y[i];
    EXPECT_NEAR(total, 1.0, 1e-5);
    if (n > 1) {
      EXPECT_EQ(y[1], 0.0f);
    }
  }
}

TEST_P(Rows, WideningIsExact) {
  for (size_t n : {1, 8, 16, 31}) {
    std::vector<Bf16> b(n);
    std::vector<F16> h(n);
    for (size_t i = 0; i < n; ++i) {
      b[i] = ToBf16(static_cast<float>(i) * -0.37f);
      h[i] = ToF16(static_cast<float>(i) * 1e-6f);  // reaches into the subnormal halves
    }
    std::vector<float> y(n);
    Widen(b.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], ToFloat(b[i]));
    Widen(h.data(), n, y.data());
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], ToFloat(h[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Rows, testing::ValuesIn(AvailableIsas()),
                         [](const auto& isa) { return isa.param; });

}  // namespace
}  // namespace gemma3n::kernels
