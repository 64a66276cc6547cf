// SPDX-License-Identifier: Apache-2.0
// Gaussian top-k through Highway; compiled once per instruction set by foreach_target.h.
#include "kernels/gaussian_topk.h"

#include <cmath>

#include "kernels/rows.h"

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gaussian_topk.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// The sum of (x - mean)^2, with four chains to hide latency.
float SumOfSquaredDeviations(const float* x, float mean, size_t n) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  const V m = hn::Set(d, mean);
  V acc[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    for (size_t j = 0; j < 4; ++j) {
      const V delta = hn::Sub(hn::LoadU(d, x + i + j * lanes), m);
      acc[j] = hn::MulAdd(delta, delta, acc[j]);
    }
  }
  float tail = 0;
  for (; i < n; ++i) tail += (x[i] - mean) * (x[i] - mean);
  const V total = hn::Add(hn::Add(acc[0], acc[1]), hn::Add(acc[2], acc[3]));
  return hn::GetLane(hn::SumOfLanes(d, total)) + tail;
}

void PositivePartAbove(const float* x, float cutoff, size_t n, float* y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  const V c = hn::Set(d, cutoff);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const V above = hn::Sub(hn::LoadU(d, x + i), c);
    // Not Max: what is NaN must stay so.
    hn::StoreU(hn::IfThenZeroElse(hn::Le(above, hn::Zero(d)), above), d, y + i);
  }
  for (; i < n; ++i) {
    const float above = x[i] - cutoff;
    y[i] = above <= 0 ? 0 : above;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n::kernels {

HWY_EXPORT(SumOfSquaredDeviations);
HWY_EXPORT(PositivePartAbove);

void GaussianTopK(const float* x, float multiplier, size_t n, float* y) {
  const float mean = Sum(x, n) / static_cast<float>(n);
  const float squares = HWY_DYNAMIC_DISPATCH(SumOfSquaredDeviations)(x, mean, n);
  const float deviation = std::sqrt(squares / static_cast<float>(n));
  HWY_DYNAMIC_DISPATCH(PositivePartAbove)(x, mean + deviation * multiplier, n, y);
}

size_t NonZeroIndices(const float* x, size_t n, int32_t* indices) {
  size_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    indices[count] = static_cast<int32_t>(i);  // overwritten by the next unless it is to stay
    count += x[i] != 0.0f;
  }
  return count;
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
