// SPDX-License-Identifier: Apache-2.0
#include "vision/multi_scale_fusion.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/rows.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

// Channels of both maps side by side in rows [begin, end) of the fine one; the coarse one repeated
// (nearest neighbour).
FeatureMap Concatenate(const FeatureMap& fine, const FeatureMap& coarse, int64_t begin, int64_t end,
                       ThreadPool& pool) {
  FeatureMap joined = FeatureMap::Unset(end - begin, fine.width, fine.channels + coarse.channels);
  pool.ParallelFor(joined.height, [&](size_t row) {
    const int64_t y = begin + static_cast<int64_t>(row);
    for (int64_t x = 0; x < fine.width; ++x) {
      float* pixel = joined.pixel(y - begin, x);
      std::copy_n(fine.pixel(y, x), fine.channels, pixel);
      std::copy_n(coarse.pixel(y * coarse.height / fine.height, x * coarse.width / fine.width),
                  coarse.channels, pixel + fine.channels);
    }
  });
  return joined;
}

// Mean over squares of side x side pixels.
FeatureMap AveragePool(const FeatureMap& x, int64_t out_side, ThreadPool& pool) {
  const int64_t high = x.height / out_side, wide = x.width / out_side;
  FeatureMap out(out_side, out_side, x.channels);
  const float share = 1.0f / static_cast<float>(high * wide);
  pool.ParallelFor(out_side, [&](size_t row) {
    const int64_t begin = static_cast<int64_t>(row) * high;
    for (int64_t y = begin; y < begin + high; ++y) {
      for (int64_t column = 0; column < x.width; ++column) {
        float* target = out.pixel(y / high, column / wide);
        kernels::Add(target, x.pixel(y, column), x.channels, target);
      }
    }
    float* sums = out.pixel(static_cast<int64_t>(row), 0);
    kernels::Scale(sums, share, static_cast<size_t>(out_side * out.channels), sums);
  });
  return out;
}

// Bilinear without antialiasing, half-pixel centres: torch's interpolate with align_corners off.
FeatureMap Interpolate(const FeatureMap& x, int64_t out_side) {
  struct Place {
    int64_t low, high;
    float share;  // of high
  };
  const auto place = [&](int64_t i, int64_t in) {
    const float scale = static_cast<float>(in) / static_cast<float>(out_side);
    const float at = std::max(0.0f, (static_cast<float>(i) + 0.5f) * scale - 0.5f);
    const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
    return Place{low, std::min(low + 1, in - 1), at - static_cast<float>(low)};
  };
  FeatureMap out(out_side, out_side, x.channels);
  for (int64_t oy = 0; oy < out_side; ++oy) {
    const Place y = place(oy, x.height);
    for (int64_t ox = 0; ox < out_side; ++ox) {
      const Place c = place(ox, x.width);
      float* target = out.pixel(oy, ox);
      kernels::AddScaled(x.pixel(y.low, c.low), (1 - y.share) * (1 - c.share), x.channels, target);
      kernels::AddScaled(x.pixel(y.low, c.high), (1 - y.share) * c.share, x.channels, target);
      kernels::AddScaled(x.pixel(y.high, c.low), y.share * (1 - c.share), x.channels, target);
      kernels::AddScaled(x.pixel(y.high, c.high), y.share * c.share, x.channels, target);
    }
  }
  return out;
}

}  // namespace

void FuseRows(const VisionWeights& weights, const FeatureMap& fine, const FeatureMap& coarse,
              int64_t begin, int64_t end, FeatureMap& fused, ThreadPool& pool) {
  const FeatureMap joined = Concatenate(fine, coarse, begin, end, pool);
  PointwisePair(weights.fusion_exp, weights.fusion_proj, joined.rows(),
                {fused.pixel(begin, 0), joined.pixels(), fused.channels}, pool);
}

FeatureMap ToSoftTokenGrid(const VisionWeights& weights, FeatureMap fused, ThreadPool& pool) {
  const int64_t side = weights.output_side;
  if (fused.height != side || fused.width != side) {
    fused = fused.height % side == 0 && fused.width % side == 0 ? AveragePool(fused, side, pool)
                                                                : Interpolate(fused, side);
  }
  ops::RmsNorm(std::as_const(fused).rows(), weights.fusion_norm, kVisionNormEps, fused.rows(),
               pool);
  return fused;
}

}  // namespace gemma3n
