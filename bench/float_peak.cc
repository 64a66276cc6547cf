// SPDX-License-Identifier: Apache-2.0
#include "float_peak.h"

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "float_peak.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

int Lanes() {
  return static_cast<int>(hn::Lanes(hn::ScalableTag<float>()));
}

// 0.5 x + 1 stays small; no two sums are alike, so that the compiler computes all.
void Products(int64_t trips) {
  const hn::ScalableTag<float> d;
  const auto half = hn::Set(d, 0.5f), one = hn::Set(d, 1.0f);
  auto s0 = hn::Iota(d, 0), s1 = hn::Iota(d, 1), s2 = hn::Iota(d, 2), s3 = hn::Iota(d, 3);
  auto s4 = hn::Iota(d, 4), s5 = hn::Iota(d, 5), s6 = hn::Iota(d, 6), s7 = hn::Iota(d, 7);
  auto s8 = hn::Iota(d, 8), s9 = hn::Iota(d, 9), s10 = hn::Iota(d, 10), s11 = hn::Iota(d, 11);
  for (int64_t i = 0; i < trips; ++i) {
    s0 = hn::MulAdd(s0, half, one);
    s1 = hn::MulAdd(s1, half, one);
    s2 = hn::MulAdd(s2, half, one);
    s3 = hn::MulAdd(s3, half, one);
    s4 = hn::MulAdd(s4, half, one);
    s5 = hn::MulAdd(s5, half, one);
    s6 = hn::MulAdd(s6, half, one);
    s7 = hn::MulAdd(s7, half, one);
    s8 = hn::MulAdd(s8, half, one);
    s9 = hn::MulAdd(s9, half, one);
    s10 = hn::MulAdd(s10, half, one);
    s11 = hn::MulAdd(s11, half, one);
  }
  const auto all = hn::Add(
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7))),
      hn::Add(hn::Add(s8, s9), hn::Add(s10, s11)));
  volatile float kept = hn::GetLane(all);
  (void)kept;
}

// Eight sums: additions then never wait for each other.
float Read(const float* x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (size_t i = 0; i + 8 * lanes <= n; i += 8 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
    s4 = hn::Add(s4, hn::LoadU(d, x + i + 4 * lanes));
    s5 = hn::Add(s5, hn::LoadU(d, x + i + 5 * lanes));
    s6 = hn::Add(s6, hn::LoadU(d, x + i + 6 * lanes));
    s7 = hn::Add(s7, hn::LoadU(d, x + i + 7 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)),
                             hn::Add(hn::Add(s4, s5), hn::Add(s6, s7))));
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gemma3n {

HWY_EXPORT(Lanes);
HWY_EXPORT(Products);
HWY_EXPORT(Read);

int FloatLanes() {
  return HWY_DYNAMIC_DISPATCH(Lanes)();
}
void FloatProducts(int64_t trips) {
  HWY_DYNAMIC_DISPATCH(Products)(trips);
}
float ReadFloats(const float* x, size_t n) {
  return HWY_DYNAMIC_DISPATCH(Read)(x, n);
}

}  // namespace gemma3n
#endif  // HWY_ONCE
