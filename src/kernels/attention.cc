// SPDX-License-Identifier: Apache-2.0
// Attention loops through Highway; compiled once per instruction set by foreach_target.h.
#include "kernels/attention.h"

#include <cstring>

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr size_t kMaxLanes = 16;  // of the widest target, AVX-512

// The first `count` floats at x, then `fill`: never reads past the end of the row.
HWY_INLINE V LoadTail(const float* x, size_t count, float fill) {
  HWY_ALIGN float lanes[kMaxLanes];
  for (size_t i = 0; i < kMaxLanes; ++i) lanes[i] = i < count ? x[i] : fill;
  return hn::Load(D(), lanes);
}

HWY_INLINE void StoreTail(V v, size_t count, float* y) {
  HWY_ALIGN float lanes[kMaxLanes];
  hn::Store(v, D(), lanes);
  std::memcpy(y, lanes, count * sizeof(float));
}

void RotateHalves(const float* cos, const float* sin, size_t half, float* x) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  float* x2 = x + half;
  size_t i = 0;
  for (; i + lanes <= half; i += lanes) {
    const V c = hn::LoadU(d, cos + i), s = hn::LoadU(d, sin + i);
    const V a = hn::LoadU(d, x + i), b = hn::LoadU(d, x2 + i);
    hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), d, x + i);
    hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), d, x2 + i);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x2[i];
    x[i] = a * cos[i] - b * sin[i];
    x2[i] = b * cos[i] + a * sin[i];
  }
}

SoftmaxPart PartialSoftmax(const float* x, size_t n, float* y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V most = hn::Set(d, x[0]);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) most = hn::Max(most, hn::LoadU(d, x + i));
  if (i < n) most = hn::Max(most, LoadTail(x + i, n - i, x[0]));
  const float max = hn::GetLane(hn::MaxOfLanes(d, most));
  const V shift = hn::Set(d, max);
  V sum = hn::Zero(d);
  for (i = 0; i + lanes <= n; i += lanes) {
    const V e = hn::Exp(d, hn::Sub(hn::LoadU(d, x + i), shift));
    sum = hn::Add(sum, e);
    hn::StoreU(e, d, y + i);
  }
  if (i < n) {
    // Lanes past the end are -1e30, whose exponential is 0 and adds nothing.
    const V e = hn::Exp(d, hn::Sub(LoadTail(x + i, n - i, -1e30f), shift));
    sum = hn::Add(sum, e);
    StoreTail(e, n - i, y + i);
  }
  return {max, hn::GetLane(hn::SumOfLanes(d, sum))};
}

// kRows rows by kVectors full vectors of columns, sums in registers.
template <size_t kRows, size_t kVectors>
HWY_INLINE void SumBlock(const float* x, const float* w, const TileShape& s, float* y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V acc[kRows][kVectors];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kVectors; ++c) acc[r][c] = hn::Zero(d);
  }
  for (size_t k = 0; k < s.depth; ++k) {
    V values[kVectors];
    for (size_t c = 0; c < kVectors; ++c) values[c] = hn::LoadU(d, w + k * s.w_stride + c * lanes);
    for (size_t r = 0; r < kRows; ++r) {
      const V factor = hn::Set(d, x[r * s.x_stride + k]);
      for (size_t c = 0; c < kVectors; ++c) acc[r][c] = hn::MulAdd(factor, values[c], acc[r][c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kVectors; ++c) {
      hn::StoreU(acc[r][c], d, y + r * s.y_stride + c * lanes);
    }
  }
}

// The last `count` columns, fewer than a vector.
HWY_INLINE void SumTail(const float* x, const float* w, const TileShape& s, size_t count,
                        float* y) {
  const D d;
  for (size_t r = 0; r < s.rows; ++r) {
    V acc = hn::Zero(d);
    for (size_t k = 0; k < s.depth; ++k) {
      acc = hn::MulAdd(hn::Set(d, x[r * s.x_stride + k]), LoadTail(w + k * s.w_stride, count, 0.0f),
                       acc);
    }
    StoreTail(acc, count, y + r * s.y_stride);
  }
}

template <size_t kRows>
HWY_INLINE void SumColumns(const float* x, const float* w, const TileShape& s, float* y) {
  const size_t lanes = hn::Lanes(D());
  size_t c = 0;
  for (; c + 4 * lanes <= s.cols; c += 4 * lanes) SumBlock<kRows, 4>(x, w + c, s, y + c);
  for (; c + lanes <= s.cols; c += lanes) SumBlock<kRows, 1>(x, w + c, s, y + c);
}

void WeightedSum(const float* x, const float* w, const TileShape& s, float* y) {
  const size_t lanes = hn::Lanes(D());
  size_t r = 0;
  for (; r + 4 <= s.rows; r += 4) {
    SumColumns<4>(x + r * s.x_stride, w, s, y + r * s.y_stride);
  }
  for (; r < s.rows; ++r) SumColumns<1>(x + r * s.x_stride, w, s, y + r * s.y_stride);
  const size_t whole = s.cols / lanes * lanes;
  if (whole < s.cols) SumTail(x, w + whole, s, s.cols - whole, y + whole);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n::kernels {

HWY_EXPORT(RotateHalves);
HWY_EXPORT(PartialSoftmax);
HWY_EXPORT(WeightedSum);

void RotateHalves(const float* cos, const float* sin, size_t half, float* x) {
  HWY_DYNAMIC_DISPATCH(RotateHalves)(cos, sin, half, x);
}
SoftmaxPart PartialSoftmax(const float* x, size_t n, float* y) {
  return HWY_DYNAMIC_DISPATCH(PartialSoftmax)(x, n, y);
}
void WeightedSum(const float* x, const float* w, const TileShape& shape, float* y) {
  HWY_DYNAMIC_DISPATCH(WeightedSum)(x, w, shape, y);
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
