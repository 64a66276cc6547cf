// SPDX-License-Identifier: Apache-2.0
#include "vision/convolution.h"

#include <algorithm>
#include <cstring>

#include "kernels/rows.h"

namespace gemma3n {
namespace {

// The patch under output pixel (y, x): taps, then channels; zeros outside.
void CopyPatch(const FeatureMap& map, int64_t kernel, int64_t top, int64_t left, float* patch) {
  for (int64_t ky = 0; ky < kernel; ++ky) {
    for (int64_t kx = 0; kx < kernel; ++kx, patch += map.channels) {
      const int64_t y = top + ky, x = left + kx;
      if (y >= 0 && y < map.height && x >= 0 && x < map.width) {
        std::memcpy(patch, map.pixel(y, x), map.channels * sizeof(float));
      } else {
        std::memset(patch, 0, map.channels * sizeof(float));
      }
    }
  }
}

}  // namespace

SamePadding ComputeSamePadding(int64_t in, int64_t kernel, int64_t stride) {
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + kernel - in, 0);
  return {out, total / 2};
}

void ConvolvePixels(const FeatureMap& x, const ConvolutionWeights& weights, int64_t begin,
                    int64_t end, ThreadPool& pool, ops::MutableRows out) {
  const SamePadding vertical = ComputeSamePadding(x.height, weights.kernel_size, weights.stride);
  const SamePadding horizontal = ComputeSamePadding(x.width, weights.kernel_size, weights.stride);
  const int64_t patch_size = weights.kernel.shape[1];
  Tensor patches({end - begin, patch_size});
  constexpr int64_t kPixelsPerPiece = 32;
  pool.ParallelFor((end - begin + kPixelsPerPiece - 1) / kPixelsPerPiece, [&](size_t piece) {
    const int64_t first = begin + static_cast<int64_t>(piece) * kPixelsPerPiece;
    for (int64_t pixel = first; pixel < std::min(end, first + kPixelsPerPiece); ++pixel) {
      CopyPatch(x, weights.kernel_size, pixel / horizontal.out * weights.stride - vertical.before,
                pixel % horizontal.out * weights.stride - horizontal.before,
                patches.row(pixel - begin));
    }
  });
  ops::Linear({patches.data(), end - begin, patch_size}, weights.kernel, out, pool);
}

FeatureMap ConvolveDepthwise(const FeatureMap& x, const DepthwiseWeights& weights,
                             ThreadPool& pool) {
  const int64_t kernel = weights.kernel_size;
  const SamePadding vertical = ComputeSamePadding(x.height, kernel, weights.stride);
  const SamePadding horizontal = ComputeSamePadding(x.width, kernel, weights.stride);
  FeatureMap out(vertical.out, horizontal.out, x.channels);
  pool.ParallelFor(out.height, [&](size_t piece) {
    const int64_t oy = static_cast<int64_t>(piece);
    for (int64_t ox = 0; ox < out.width; ++ox) {
      float* target = out.pixel(oy, ox);
      for (int64_t ky = 0; ky < kernel; ++ky) {
        const int64_t iy = oy * weights.stride - vertical.before + ky;
        if (iy < 0 || iy >= x.height) continue;
        for (int64_t kx = 0; kx < kernel; ++kx) {
          const int64_t ix = ox * weights.stride - horizontal.before + kx;
          if (ix < 0 || ix >= x.width) continue;
          kernels::AddProduct(x.pixel(iy, ix), weights.kernel.row(ky * kernel + kx), x.channels,
                              target);
        }
      }
    }
  });
  return out;
}

}  // namespace gemma3n
