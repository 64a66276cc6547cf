// SPDX-License-Identifier: Apache-2.0
// Loops over rows of floats, for files that are compiled once per instruction set: included after
// Highway's headers, again for each of them.
#include <cstring>

#if defined(GEMMA3N_KERNELS_ROW_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GEMMA3N_KERNELS_ROW_LOOPS_INL_H_
#undef GEMMA3N_KERNELS_ROW_LOOPS_INL_H_
#else
#define GEMMA3N_KERNELS_ROW_LOOPS_INL_H_
#endif

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

// y[i] = f(x[i])
template <class F>
HWY_INLINE void Map(const float* x, size_t n, float* y, const F& f) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, y + i);
  if (i < n) StoreTail(f(LoadTail(x + i, n - i, 0.0f)), n - i, y + i);
}

// y[i] = f(a[i], b[i])
template <class F>
HWY_INLINE void Map2(const float* a, const float* b, size_t n, float* y, const F& f) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(f(hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  }
  if (i < n) {
    StoreTail(f(LoadTail(a + i, n - i, 0.0f), LoadTail(b + i, n - i, 0.0f)), n - i, y + i);
  }
}

// y[i] = f(a[i], b[i], c[i])
template <class F>
HWY_INLINE void Map3(const float* a, const float* b, const float* c, size_t n, float* y,
                     const F& f) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(f(hn::LoadU(d, a + i), hn::LoadU(d, b + i), hn::LoadU(d, c + i)), d, y + i);
  }
  if (i < n) {
    StoreTail(
        f(LoadTail(a + i, n - i, 0.0f), LoadTail(b + i, n - i, 0.0f), LoadTail(c + i, n - i, 0.0f)),
        n - i, y + i);
  }
}

// Folds a row into one vector: acc = f(acc, x, second row), with four chains to hide latency.
template <class F>
HWY_INLINE V Fold(const float* a, const float* b, size_t n, V start, float fill, const F& f,
                  V (*join)(V, V)) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  V acc0 = start, acc1 = start, acc2 = start, acc3 = start;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    acc0 = f(acc0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
    acc1 = f(acc1, hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes));
    acc2 = f(acc2, hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes));
    acc3 = f(acc3, hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) acc0 = f(acc0, hn::LoadU(d, a + i), hn::LoadU(d, b + i));
  if (i < n) acc0 = f(acc0, LoadTail(a + i, n - i, fill), LoadTail(b + i, n - i, fill));
  return join(join(acc0, acc1), join(acc2, acc3));
}

HWY_INLINE V JoinSum(V a, V b) {
  return hn::Add(a, b);
}
HWY_INLINE V JoinMax(V a, V b) {
  return hn::Max(a, b);
}

HWY_INLINE float SumOfSquaresOf(const float* x, size_t n) {
  const D d;
  return hn::GetLane(hn::SumOfLanes(
      d, Fold(
             x, x, n, hn::Zero(d), 0.0f,
             [](V acc, V v, V) HWY_ATTR { return hn::MulAdd(v, v, acc); }, JoinSum)));
}

HWY_INLINE float MaxOfRow(const float* x, size_t n) {
  const D d;
  return hn::GetLane(
      hn::MaxOfLanes(d, Fold(
                            x, x, n, hn::Set(d, x[0]), x[0],
                            [](V acc, V v, V) HWY_ATTR { return hn::Max(v, acc); }, JoinMax)));
}

// 1 / (1 + e^-x). Highway's Exp wraps round far above the range of float32, so -x stops at 88.
HWY_INLINE V SigmoidOf(V x) {
  const D d;
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Min(hn::Neg(x), hn::Set(d, 88.0f)))));
}

HWY_INLINE V GeluOf(V v) {
  // 0.5 (1 + tanh(u)) is the sigmoid of 2u, without the cancellation near tanh = -1.
  const D d;
  const V linear = hn::Set(d, 1.5957691216057308f);  // 2 sqrt(2/pi)
  const V cubic = hn::Set(d, 1.5957691216057308f * 0.044715f);
  const V twice_u = hn::Mul(v, hn::MulAdd(hn::Mul(v, v), cubic, linear));
  return hn::Mul(v, SigmoidOf(twice_u));
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#endif
