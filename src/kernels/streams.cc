// SPDX-License-Identifier: Apache-2.0
#include "kernels/streams.h"

// clang-format off
#include "kernels/highway_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/streams.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace gemma3n::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls fn(tag, at) for all of a row: by whole vectors, then number by number.
template <class Fn>
HWY_INLINE void ForEachVector(size_t n, const Fn& fn) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  size_t at = 0;
  for (; at + hn::Lanes(d) <= n; at += hn::Lanes(d)) fn(d, at);
  for (; at < n; ++at) fn(single, at);
}

void MixStreams(const StreamRows& x, const float* coefs, size_t n, const StreamRows& y) {
  ForEachVector(n, [&](auto d, size_t at) HWY_ATTR {
    for (size_t i = 0; i < y.count; ++i) {
      const float* c = coefs + i * x.count;
      auto sum = hn::Mul(hn::LoadU(d, x.data + at), hn::Set(d, c[0]));
      for (size_t j = 1; j < x.count; ++j) {
        sum = hn::MulAdd(hn::LoadU(d, x.data + j * x.stride + at), hn::Set(d, c[j]), sum);
      }
      sum = hn::Add(sum, hn::LoadU(d, x.data + i * x.stride + at));
      hn::StoreU(sum, d, y.data + i * y.stride + at);
    }
  });
}

void SpreadInnovation(const StreamRows& x, const float* activated, const float* gains, size_t n,
                      const StreamRows& y) {
  ForEachVector(n, [&](auto d, size_t at) HWY_ATTR {
    const auto innovation = hn::Sub(hn::LoadU(d, activated + at), hn::LoadU(d, x.data + at));
    for (size_t i = 0; i < x.count; ++i) {
      const auto old = hn::LoadU(d, x.data + i * x.stride + at);
      hn::StoreU(hn::MulAdd(innovation, hn::Set(d, gains[i]), old), d, y.data + i * y.stride + at);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace gemma3n::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "kernels/isa.h"

namespace gemma3n::kernels {

HWY_EXPORT(MixStreams);
HWY_EXPORT(SpreadInnovation);

void MixStreams(const StreamRows& x, const float* coefs, size_t n, const StreamRows& y) {
  HWY_DYNAMIC_DISPATCH(MixStreams)(x, coefs, n, y);
}
void SpreadInnovation(const StreamRows& x, const float* activated, const float* gains, size_t n,
                      const StreamRows& y) {
  HWY_DYNAMIC_DISPATCH(SpreadInnovation)(x, activated, gains, n, y);
}

}  // namespace gemma3n::kernels
#endif  // HWY_ONCE
