// SPDX-License-Identifier: Apache-2.0
#include "vision/convolution.h"

#include <algorithm>
#include <cstring>

#include "kernels/encoder_rows.h"

namespace gemma3n {
SamePadding ComputeSamePadding(int64_t in, int64_t kernel, int64_t stride) {
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + kernel - in, 0);
  return {out, total / 2};
}

void Patches::Copy(int64_t pixel, float* patch) const {
  ForEachTap(pixel, [&](int64_t tap, int64_t source) {
    float* out = patch + tap * x_.channels;
    if (source >= 0) {
      std::memcpy(out, x_.values.row(source), x_.channels * sizeof(float));
    } else {
      std::memset(out, 0, x_.channels * sizeof(float));
    }
  });
}

void ConvolvePixels(const FeatureMap& x, const ConvolutionWeights& weights, int64_t begin,
                    int64_t end, ThreadPool& pool, ops::MutableRows out) {
  const Patches all(x, weights.kernel_size, weights.stride);
  const int64_t patch_size = weights.kernel.shape[1];
  Tensor patches({end - begin, patch_size});
  constexpr int64_t kPixelsPerPiece = 32;
  pool.ParallelFor((end - begin + kPixelsPerPiece - 1) / kPixelsPerPiece, [&](size_t piece) {
    const int64_t first = begin + static_cast<int64_t>(piece) * kPixelsPerPiece;
    for (int64_t pixel = first; pixel < std::min(end, first + kPixelsPerPiece); ++pixel) {
      all.Copy(pixel, patches.row(pixel - begin));
    }
  });
  ops::Linear({patches.data(), end - begin, patch_size}, weights.kernel, out, pool);
}

void DepthwisePixels::operator()(int64_t pixel, float* out) const {
  thread_local std::vector<const float*> x, w;
  x.clear();
  w.clear();
  const int64_t kernel = weights_.kernel_size;
  const int64_t top = pixel / horizontal_.out * weights_.stride - vertical_.before;
  const int64_t left = pixel % horizontal_.out * weights_.stride - horizontal_.before;
  for (int64_t ky = std::max<int64_t>(0, -top); ky < std::min(kernel, x_.height - top); ++ky) {
    for (int64_t kx = std::max<int64_t>(0, -left); kx < std::min(kernel, x_.width - left); ++kx) {
      x.push_back(x_.values + ((top + ky - x_.begin) * x_.width + left + kx) * x_.channels);
      w.push_back(weights_.kernel.row(ky * kernel + kx));
    }
  }
  kernels::SumOfProducts(x.data(), w.data(), x.size(), static_cast<size_t>(x_.channels), out);
}

FeatureMap ConvolveDepthwise(const FeatureMap& x, const DepthwiseWeights& weights,
                             ThreadPool& pool) {
  FeatureMap out(ComputeSamePadding(x.height, weights.kernel_size, weights.stride).out,
                 ComputeSamePadding(x.width, weights.kernel_size, weights.stride).out, x.channels);
  const DepthwisePixels convolve(MapRows::Of(x), weights);
  pool.ParallelFor(out.height, [&](size_t row) {
    for (int64_t column = 0; column < out.width; ++column) {
      const int64_t pixel = static_cast<int64_t>(row) * out.width + column;
      convolve(pixel, out.values.row(pixel));
    }
  });
  return out;
}

}  // namespace gemma3n
