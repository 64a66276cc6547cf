// SPDX-License-Identifier: Apache-2.0
// Convolutions with TensorFlow's "same" padding, as timm builds this encoder: with stride 2 an even
// side is padded by one pixel less before than after.
#pragma once

#include "base/thread_pool.h"
#include "vision/feature_map.h"

namespace gemma3n {

struct SamePadding {
  int64_t out;     // ceil(in / stride)
  int64_t before;  // zeros before the first pixel
};
SamePadding ComputeSamePadding(int64_t in, int64_t kernel, int64_t stride);

// A full convolution; the kernel's input channels lie innermost.
struct ConvolutionWeights {
  TensorView kernel;  // [out channels, kernel_size * kernel_size * in channels]
  Tensor owned;       // what `kernel` shows where the file has another order
  int64_t kernel_size = 0;
  int64_t stride = 1;
};
// Rows [begin, end) of the output's pixels -> out [end - begin, out channels].
void ConvolvePixels(const FeatureMap& x, const ConvolutionWeights& weights, int64_t begin,
                    int64_t end, ThreadPool& pool, ops::MutableRows out);

// One filter per channel.
struct DepthwiseWeights {
  Tensor kernel;  // [kernel_size * kernel_size, channels]
  int64_t kernel_size = 0;
  int64_t stride = 1;
};
FeatureMap ConvolveDepthwise(const FeatureMap& x, const DepthwiseWeights& weights,
                             ThreadPool& pool);

}  // namespace gemma3n
