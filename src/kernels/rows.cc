// SPDX-License-Identifier: Apache-2.0
// Float rows through Highway; compiled once per instruction set by foreach_target.h.
#include "kernels/rows.h"

#include <cstring>

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "kernels/row_loops-inl.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {

float SumOfSquares(const float* x, size_t n) {
  return SumOfSquaresOf(x, n);
}

float Sum(const float* x, size_t n) {
  const D d;
  return hn::GetLane(
      hn::SumOfLanes(d, Fold(
                            x, x, n, hn::Zero(d), 0.0f,
                            [](V acc, V v, V) HWY_ATTR { return hn::Add(v, acc); }, JoinSum)));
}

float MaxOf(const float* x, size_t n) {
  return MaxOfRow(x, n);
}

float Dot(const float* a, const float* b, size_t n) {
  const D d;
  return hn::GetLane(hn::SumOfLanes(
      d, Fold(
             a, b, n, hn::Zero(d), 0.0f,
             [](V acc, V v, V w) HWY_ATTR { return hn::MulAdd(v, w, acc); }, JoinSum)));
}

void RmsNorm(const float* x, const float* weight, float eps, size_t n, float* y) {
  const D d;
  const float mean = SumOfSquares(x, n) / static_cast<float>(n);
  const V factor = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Set(d, mean + eps)));
  if (weight == nullptr) {
    Map(x, n, y, [factor](V v) HWY_ATTR { return hn::Mul(v, factor); });
  } else {
    Map2(x, weight, n, y, [factor](V v, V w) HWY_ATTR { return hn::Mul(hn::Mul(v, factor), w); });
  }
}

void AddRmsNorm(const float* x, const float* weight, float eps, const float* add, size_t n,
                float* y) {
  const D d;
  const float mean = SumOfSquares(x, n) / static_cast<float>(n);
  const V factor = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(hn::Set(d, mean + eps)));
  Map3(x, weight, add, n, y,
       [factor](V v, V w, V z) HWY_ATTR { return hn::Add(z, hn::Mul(hn::Mul(v, factor), w)); });
}

void ScaledSum(const float* a, const float* b, const float* c, float factor, size_t n, float* y) {
  const V f = hn::Set(D(), factor);
  Map3(a, b, c, n, y,
       [f](V u, V v, V w) HWY_ATTR { return hn::Mul(hn::Add(hn::Add(u, v), w), f); });
}

void Add(const float* a, const float* b, size_t n, float* y) {
  Map2(a, b, n, y, [](V v, V w) HWY_ATTR { return hn::Add(v, w); });
}

void Multiply(const float* a, const float* b, size_t n, float* y) {
  Map2(a, b, n, y, [](V v, V w) HWY_ATTR { return hn::Mul(v, w); });
}

void Scale(const float* x, float factor, size_t n, float* y) {
  const V f = hn::Set(D(), factor);
  Map(x, n, y, [f](V v) HWY_ATTR { return hn::Mul(v, f); });
}

void AddScaled(const float* x, float factor, size_t n, float* y) {
  const V f = hn::Set(D(), factor);
  Map2(x, y, n, y, [f](V v, V w) HWY_ATTR { return hn::MulAdd(v, f, w); });
}

void AddProduct(const float* a, const float* b, size_t n, float* y) {
  Map3(a, b, y, n, y, [](V v, V w, V z) HWY_ATTR { return hn::MulAdd(v, w, z); });
}

void Gelu(const float* x, size_t n, float* y) {
  Map(x, n, y, [](V v) HWY_ATTR { return GeluOf(v); });
}

void Silu(const float* x, size_t n, float* y) {
  Map(x, n, y, [](V v) HWY_ATTR { return hn::Mul(v, SigmoidOf(v)); });
}

void Sigmoid(const float* x, size_t n, float* y) {
  Map(x, n, y, [](V v) HWY_ATTR { return SigmoidOf(v); });
}

void Tanh(const float* x, size_t n, float* y) {
  Map(x, n, y, [](V v) HWY_ATTR { return hn::Tanh(D(), v); });
}

void SoftCap(const float* x, float cap, size_t n, float* y) {
  const V c = hn::Set(D(), cap);
  Map(x, n, y, [c](V v) HWY_ATTR { return hn::Mul(hn::Tanh(D(), hn::Div(v, c)), c); });
}

void Softmax(const float* x, size_t n, float* y) {
  const V max = hn::Set(D(), MaxOf(x, n));
  Map(x, n, y, [max](V v) HWY_ATTR { return hn::Exp(D(), hn::Sub(v, max)); });
  const V total = hn::Set(D(), Sum(y, n));
  Map(y, n, y, [total](V v) HWY_ATTR { return hn::Div(v, total); });
}

void WidenBf16(const Bf16* x, size_t n, float* y) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> dh;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto half = hn::LoadU(dh, reinterpret_cast<const uint16_t*>(x + i));
    hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, half))), d, y + i);
  }
  for (; i < n; ++i) y[i] = ToFloat(x[i]);
}

void WidenBytes(const int8_t* x, float scale, size_t n, float* y) {
  const D d;
  const hn::Rebind<int32_t, D> d_whole;
  const hn::Rebind<int8_t, D> d_bytes;
  const size_t lanes = hn::Lanes(d);
  const V factor = hn::Set(d, scale);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto whole = hn::PromoteTo(d_whole, hn::LoadU(d_bytes, x + i));
    hn::StoreU(hn::Mul(hn::ConvertTo(d, whole), factor), d, y + i);
  }
  for (; i < n; ++i) y[i] = static_cast<float>(x[i]) * scale;
}

void WidenF16(const F16* x, size_t n, float* y) {
  const D d;
  const hn::Rebind<hwy::float16_t, D> dh;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto half = hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(x + i));
    hn::StoreU(hn::PromoteTo(d, half), d, y + i);
  }
  for (; i < n; ++i) y[i] = ToFloat(x[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n::kernels {

HWY_EXPORT(SumOfSquares);
HWY_EXPORT(Sum);
HWY_EXPORT(MaxOf);
HWY_EXPORT(Dot);
HWY_EXPORT(RmsNorm);
HWY_EXPORT(Add);
HWY_EXPORT(Multiply);
HWY_EXPORT(Scale);
HWY_EXPORT(AddScaled);
HWY_EXPORT(AddProduct);
HWY_EXPORT(Gelu);
HWY_EXPORT(Silu);
HWY_EXPORT(Sigmoid);
HWY_EXPORT(Tanh);
HWY_EXPORT(SoftCap);
HWY_EXPORT(Softmax);
HWY_EXPORT(WidenBf16);
HWY_EXPORT(WidenF16);
HWY_EXPORT(WidenBytes);
HWY_EXPORT(AddRmsNorm);
HWY_EXPORT(ScaledSum);

float SumOfSquares(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(SumOfSquares)(x, n);
}
float Sum(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(Sum)(x, n);
}
float MaxOf(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(MaxOf)(x, n);
}
float Dot(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(Dot)(a, b, n);
}
void RmsNorm(const float* x, const float* weight, float eps, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(RmsNorm)(x, weight, eps, n, y);
}
void Add(const float* a, const float* b, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Add)(a, b, n, y);
}
void Multiply(const float* a, const float* b, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Multiply)(a, b, n, y);
}
void Scale(const float* x, float factor, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Scale)(x, factor, n, y);
}
void AddScaled(const float* x, float factor, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(AddScaled)(x, factor, n, y);
}
void AddProduct(const float* a, const float* b, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(AddProduct)(a, b, n, y);
}
void Gelu(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Gelu)(x, n, y);
}
void Silu(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Silu)(x, n, y);
}
void Sigmoid(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Sigmoid)(x, n, y);
}
void Tanh(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Tanh)(x, n, y);
}
void SoftCap(const float* x, float cap, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(SoftCap)(x, cap, n, y);
}
void Softmax(const float* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(Softmax)(x, n, y);
}
void Widen(const Bf16* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(WidenBf16)(x, n, y);
}
void Widen(const F16* x, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(WidenF16)(x, n, y);
}
void AddRmsNorm(const float* x, const float* weight, float eps, const float* add, size_t n,
                float* y) {
  HWY_DYNAMIC_DISPATCH(AddRmsNorm)(x, weight, eps, add, n, y);
}
void ScaledSum(const float* a, const float* b, const float* c, float factor, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(ScaledSum)(a, b, c, factor, n, y);
}
void WidenBytes(const int8_t* x, float scale, size_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(WidenBytes)(x, scale, n, y);
}
void Widen(const float* x, size_t n, float* y) {
  std::memcpy(y, x, n * sizeof(float));
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
