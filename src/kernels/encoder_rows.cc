// SPDX-License-Identifier: Apache-2.0
// Rows of the encoders through Highway; compiled once per instruction set by foreach_target.h.
#include "kernels/encoder_rows.h"

#include <algorithm>

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/encoder_rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "kernels/row_loops-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {

void RmsNormGelu(const float* x, const float* weight, float eps, size_t n, float* y) {
  const D d;
  const float mean = SumOfSquaresOf(x, n) / static_cast<float>(n);
  const V factor = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Set(d, mean + eps)));
  Map2(x, weight, n, y,
       [factor](V v, V w) HWY_ATTR { return GeluOf(hn::Mul(hn::Mul(v, factor), w)); });
}

void SumOfProducts(const float* const* x, const float* const* w, size_t taps, size_t n, float* y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    V sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (size_t tap = 0; tap < taps; ++tap) {
      const float *a = x[tap] + i, *b = w[tap] + i;
      sum0 = hn::MulAdd(hn::LoadU(d, a), hn::LoadU(d, b), sum0);
      sum1 = hn::MulAdd(hn::LoadU(d, a + lanes), hn::LoadU(d, b + lanes), sum1);
      sum2 = hn::MulAdd(hn::LoadU(d, a + 2 * lanes), hn::LoadU(d, b + 2 * lanes), sum2);
      sum3 = hn::MulAdd(hn::LoadU(d, a + 3 * lanes), hn::LoadU(d, b + 3 * lanes), sum3);
    }
    hn::StoreU(sum0, d, y + i);
    hn::StoreU(sum1, d, y + i + lanes);
    hn::StoreU(sum2, d, y + i + 2 * lanes);
    hn::StoreU(sum3, d, y + i + 3 * lanes);
  }
  for (; i < n; i += lanes) {
    const size_t count = std::min(lanes, n - i);
    V sum = hn::Zero(d);
    for (size_t tap = 0; tap < taps; ++tap) {
      const V a = count == lanes ? hn::LoadU(d, x[tap] + i) : LoadTail(x[tap] + i, count, 0.0f);
      const V b = count == lanes ? hn::LoadU(d, w[tap] + i) : LoadTail(w[tap] + i, count, 0.0f);
      sum = hn::MulAdd(a, b, sum);
    }
    StoreTail(sum, count, y + i);
  }
}

void ExpBelowMax(const float* x, float factor, size_t n, float* y) {
  const V max = hn::Set(D(), MaxOfRow(x, n)), f = hn::Set(D(), factor);
  Map(x, n, y, [=](V v) HWY_ATTR { return hn::Exp(D(), hn::Mul(hn::Sub(v, max), f)); });
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n::kernels {

HWY_EXPORT(RmsNormGelu);
HWY_EXPORT(SumOfProducts);
HWY_EXPORT(ExpBelowMax);

void RmsNormGelu(const float* x, const float* weight, float eps, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNormGelu)(x, weight, eps, n, y);
}
void SumOfProducts(const float* const* x, const float* const* w, size_t taps, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(SumOfProducts)(x, w, taps, n, y);
}
void ExpBelowMax(const float* x, float factor, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(ExpBelowMax)(x, factor, n, y);
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
