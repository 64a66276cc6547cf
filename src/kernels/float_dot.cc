// SPDX-License-Identifier: Apache-2.0
// Dot-product tiles through Highway; compiled once per instruction set by foreach_target.h.
//
// A tile keeps rows x cols accumulators in registers and walks along k. Every accumulator sees the
// same additions whatever the tile's shape, which is what makes a result independent of its
// neighbours. AVX-512 and NEON have 32 registers: 6 x 4 sums, 4 weight vectors and one of x
// fill 29. AVX2 has 16: 3 x 4 sums and 4 fill all.
#include "kernels/float_dot.h"

#include <algorithm>

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/float_dot.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr size_t kMaxLanes = 16;  // of the widest target, AVX-512

HWY_INLINE V LoadWide(const float* p) {
  return hn::LoadU(D(), p);
}
HWY_INLINE V LoadWide(const Bf16* p) {
  const hn::RebindToUnsigned<D> du;
  const auto half = hn::LoadU(hn::Rebind<uint16_t, D>(), reinterpret_cast<const uint16_t*>(p));
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(du, half)));
}
HWY_INLINE V LoadWide(const F16* p) {
  const auto half =
      hn::LoadU(hn::Rebind<hwy::float16_t, D>(), reinterpret_cast<const hwy::float16_t*>(p));
  return hn::PromoteTo(D(), half);
}

// The last `count` elements of a row, then zeros.
template <class T>
HWY_INLINE V LoadTail(const T* p, size_t count) {
  HWY_ALIGN float lanes[kMaxLanes] = {};
  for (size_t i = 0; i < count; ++i) lanes[i] = ToFloat(p[i]);
  return hn::Load(D(), lanes);
}

template <size_t kRows, size_t kCols, class T>
HWY_INLINE void Block(const float* x, const T* w, const TileShape& s, float* y) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V acc[kRows][kCols];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::Zero(d);
  }
  size_t k = 0;
  for (; k + lanes <= s.depth; k += lanes) {
    V weights[kCols];
    for (size_t c = 0; c < kCols; ++c) weights[c] = LoadWide(w + c * s.w_stride + k);
    for (size_t r = 0; r < kRows; ++r) {
      const V v = hn::LoadU(d, x + r * s.x_stride + k);
      for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::MulAdd(v, weights[c], acc[r][c]);
    }
  }
  if (k < s.depth) {
    V weights[kCols];
    for (size_t c = 0; c < kCols; ++c) weights[c] = LoadTail(w + c * s.w_stride + k, s.depth - k);
    for (size_t r = 0; r < kRows; ++r) {
      const V v = LoadTail(x + r * s.x_stride + k, s.depth - k);
      for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::MulAdd(v, weights[c], acc[r][c]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) {
      y[r * s.y_stride + c] = hn::GetLane(hn::SumOfLanes(d, acc[r][c]));
    }
  }
}

// All columns of kRows rows.
template <size_t kRows, class T>
HWY_INLINE void RowsOfTile(const float* x, const T* w, const TileShape& s, float* y) {
  size_t c = 0;
  for (; c + 4 <= s.cols; c += 4) Block<kRows, 4>(x, w + c * s.w_stride, s, y + c);
  for (; c < s.cols; ++c) Block<kRows, 1>(x, w + c * s.w_stride, s, y + c);
}

template <class T>
HWY_INLINE void Tile(const float* x, const T* w, const TileShape& s, float* y) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
  constexpr size_t kMostRows = 6;
#else
  constexpr size_t kMostRows = 3;
#endif
  size_t r = 0;
  const auto take = [&](auto rows) HWY_ATTR {
    for (; r + rows <= s.rows; r += rows) {
      RowsOfTile<rows>(x + r * s.x_stride, w, s, y + r * s.y_stride);
    }
  };
  take(std::integral_constant<size_t, kMostRows>());
  if constexpr (kMostRows > 3) take(std::integral_constant<size_t, 3>());
  take(std::integral_constant<size_t, 2>());
  take(std::integral_constant<size_t, 1>());
}

void TileF32(const float* x, const float* w, const TileShape& s, float* y) {
  Tile(x, w, s, y);
}
void TileBf16(const float* x, const Bf16* w, const TileShape& s, float* y) {
  Tile(x, w, s, y);
}
void TileF16(const float* x, const F16* w, const TileShape& s, float* y) {
  Tile(x, w, s, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n::kernels {

HWY_EXPORT(TileF32);
HWY_EXPORT(TileBf16);
HWY_EXPORT(TileF16);

void DotTile(const float* x, const float* w, const TileShape& shape, float* y) {
  HWY_DYNAMIC_DISPATCH(TileF32)(x, w, shape, y);
}
void DotTile(const float* x, const Bf16* w, const TileShape& shape, float* y) {
  HWY_DYNAMIC_DISPATCH(TileBf16)(x, w, shape, y);
}
void DotTile(const float* x, const F16* w, const TileShape& shape, float* y) {
  HWY_DYNAMIC_DISPATCH(TileF16)(x, w, shape, y);
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
