// SPDX-License-Identifier: Apache-2.0
// Dot-product tiles through Highway; compiled once per instruction set by foreach_target.h.
//
// A tile keeps rows x cols accumulators in registers and walks along k. Every accumulator sees the
// same additions whatever the tile's shape, which is what makes a result independent of its
// neighbours. AVX-512 and NEON have 32 registers: 6 x 4 sums, 4 weight vectors and one of x
// fill 29. AVX2 has 16: 3 x 4 sums and 4 fill all.
#include "kernels/float_dot.h"

#include <hwy/cache_control.h>

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

// acc += x w over the elements [begin, end) of k, which is whole vectors except at the row's end.
// With kAhead, asks for the rows of the next block along the way.
template <bool kAhead, size_t kRows, size_t kCols, class T>
HWY_INLINE void Accumulate(const float* x, const T* w, const TileShape& s, size_t begin, size_t end,
                           V (&acc)[kRows][kCols]) {
  const size_t lanes = hn::Lanes(D());
  size_t k = begin;
  for (; k + lanes <= end; k += lanes) {
    V weights[kCols];
    for (size_t c = 0; c < kCols; ++c) weights[c] = LoadWide(w + c * s.w_stride + k);
    if constexpr (kAhead) {
      for (size_t c = 0; c < kCols; ++c) hwy::Prefetch(w + (kCols + c) * s.w_stride + k);
    }
    for (size_t r = 0; r < kRows; ++r) {
      const V v = hn::LoadU(D(), x + r * s.x_stride + k);
      for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::MulAdd(v, weights[c], acc[r][c]);
    }
  }
  if (k < end) {
    V weights[kCols];
    for (size_t c = 0; c < kCols; ++c) weights[c] = LoadTail(w + c * s.w_stride + k, end - k);
    for (size_t r = 0; r < kRows; ++r) {
      const V v = LoadTail(x + r * s.x_stride + k, end - k);
      for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::MulAdd(v, weights[c], acc[r][c]);
    }
  }
}

template <size_t kRows, size_t kCols>
HWY_INLINE void Zero(V (&acc)[kRows][kCols]) {
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) acc[r][c] = hn::Zero(D());
  }
}

template <size_t kRows, size_t kCols>
HWY_INLINE void Finish(const V (&acc)[kRows][kCols], const TileShape& s, float* y) {
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) {
      y[r * s.y_stride + c] = hn::GetLane(hn::SumOfLanes(D(), acc[r][c]));
    }
  }
}

template <size_t kRows, size_t kCols, bool kAhead, class T>
HWY_INLINE void Block(const float* x, const T* w, const TileShape& s, float* y) {
  V acc[kRows][kCols];
  Zero(acc);
  Accumulate<kAhead>(x, w, s, 0, s.depth, acc);
  Finish(acc, s, y);
}

// As Block for elements [begin, end) of k; unfinished sums wait in `waiting`, kRows * kCols
// vectors.
template <size_t kRows, size_t kCols, class T>
HWY_INLINE void PartOfBlock(const float* x, const T* w, const TileShape& s, size_t begin,
                            size_t end, float* waiting, float* y) {
  const size_t lanes = hn::Lanes(D());
  V acc[kRows][kCols];
  if (begin == 0) {
    Zero(acc);
  } else {
    for (size_t i = 0; i < kRows * kCols; ++i) {
      acc[i / kCols][i % kCols] = hn::Load(D(), waiting + i * lanes);
    }
  }
  Accumulate<false>(x, w, s, begin, end, acc);
  if (end == s.depth) {
    Finish(acc, s, y);
  } else {
    for (size_t i = 0; i < kRows * kCols; ++i) {
      hn::Store(acc[i / kCols][i % kCols], D(), waiting + i * lanes);
    }
  }
}

// All columns of kRows rows.
template <size_t kRows, class T>
HWY_INLINE void RowsOfTile(const float* x, const T* w, const TileShape& s, float* y) {
  size_t c = 0;
  // A single row waits for the weights to come from memory, and hardware stops reading ahead at the
  // end of every page, which is about one row long.
  if constexpr (kRows == 1) {
    for (; c + 8 <= s.cols; c += 4) Block<1, 4, true>(x, w + c * s.w_stride, s, y + c);
  }
  for (; c + 4 <= s.cols; c += 4) Block<kRows, 4, false>(x, w + c * s.w_stride, s, y + c);
  for (; c < s.cols; ++c) Block<kRows, 1, false>(x, w + c * s.w_stride, s, y + c);
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr size_t kMostRows = 6;
#else
constexpr size_t kMostRows = 3;
#endif

// Many rows of many elements, whole blocks only: walks k in steps, so that the rows of x under way
// stay in the first-level cache (6 rows of 512 floats: 12 KiB) and those of w in the second.
constexpr size_t kDeepStep = 512;
constexpr size_t kDeepRows = 4 * kMostRows;
constexpr size_t kDeepCols = 32;

template <class T>
HWY_INLINE void DeepTile(const float* x, const T* w, const TileShape& s, float* y) {
  HWY_ALIGN float waiting[kDeepRows * kDeepCols * kMaxLanes];
  const size_t block_floats = kMostRows * 4 * hn::Lanes(D());
  for (size_t begin = 0; begin < s.depth; begin += kDeepStep) {
    const size_t end = HWY_MIN(s.depth, begin + kDeepStep);
    float* next = waiting;
    for (size_t r = 0; r < s.rows; r += kMostRows) {
      for (size_t c = 0; c < s.cols; c += 4) {
        PartOfBlock<kMostRows, 4>(x + r * s.x_stride, w + c * s.w_stride, s, begin, end, next,
                                  y + r * s.y_stride + c);
        next += block_floats;
      }
    }
  }
}

// The rows that DeepTile takes of a tile: none unless there is something to gain.
template <class T>
HWY_INLINE size_t DeepRowsOf(const float* x, const T* w, const TileShape& s, float* y) {
  if (s.rows < 2 * kMostRows || s.cols < 8 || s.depth < 2 * kDeepStep) return 0;
  const size_t rows = s.rows / kMostRows * kMostRows, cols = s.cols / 4 * 4;
  for (size_t r = 0; r < rows; r += kDeepRows) {
    for (size_t c = 0; c < cols; c += kDeepCols) {
      TileShape part = s;
      part.rows = HWY_MIN(kDeepRows, rows - r);
      part.cols = HWY_MIN(kDeepCols, cols - c);
      DeepTile(x + r * s.x_stride, w + c * s.w_stride, part, y + r * s.y_stride + c);
    }
  }
  TileShape rest = s;
  rest.cols = s.cols - cols;
  for (size_t r = 0; r < rows && cols < s.cols; r += kMostRows) {
    RowsOfTile<kMostRows>(x + r * s.x_stride, w + cols * s.w_stride, rest,
                          y + r * s.y_stride + cols);
  }
  return rows;
}

template <class T>
HWY_INLINE void Tile(const float* x, const T* w, const TileShape& s, float* y) {
  size_t r = DeepRowsOf(x, w, s, y);
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
