// SPDX-License-Identifier: Apache-2.0
// Convolutions with TensorFlow's "same" padding, as timm builds this encoder: with stride 2 an even
// side is padded by one pixel less before than after.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "vision/feature_map.h"

namespace gemma3n {

struct SamePadding {
  int64_t out;     // ceil(in / stride)
  int64_t before;  // zeros before the first pixel
};
SamePadding ComputeSamePadding(int64_t in, int64_t kernel, int64_t stride);

// The patches of x under a square kernel, by the index of the output's pixel.
class Patches {
 public:
  Patches(const FeatureMap& x, int64_t kernel, int64_t stride)
      : x_(x),
        kernel_(kernel),
        stride_(stride),
        vertical_(ComputeSamePadding(x.height, kernel, stride)),
        horizontal_(ComputeSamePadding(x.width, kernel, stride)) {}
  int64_t out_height() const { return vertical_.out; }
  int64_t out_width() const { return horizontal_.out; }

  // fn(tap, index of the pixel of x, -1 outside) for the taps, row after row.
  template <class Fn>
  void ForEachTap(int64_t pixel, const Fn& fn) const {
    const int64_t top = pixel / horizontal_.out * stride_ - vertical_.before;
    const int64_t left = pixel % horizontal_.out * stride_ - horizontal_.before;
    for (int64_t tap = 0; tap < kernel_ * kernel_; ++tap) {
      const int64_t y = top + tap / kernel_, x = left + tap % kernel_;
      const bool inside = y >= 0 && y < x_.height && x >= 0 && x < x_.width;
      fn(tap, inside ? y * x_.width + x : -1);
    }
  }
  // Taps, then channels; zeros outside -> patch [kernel * kernel * channels].
  void Copy(int64_t pixel, float* patch) const;

 private:
  const FeatureMap& x_;
  int64_t kernel_, stride_;
  SamePadding vertical_, horizontal_;
};

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

// Rows of a map, from `begin` on, of which not all need be there.
struct MapRows {
  const float* values;  // [rows, width, channels]
  int64_t begin, height, width, channels;
  static MapRows Of(const FeatureMap& x) {
    return {x.values.data(), 0, x.height, x.width, x.channels};
  }
};
// A depthwise convolution pixel by pixel: those whose neighbours are among the rows.
class DepthwisePixels {
 public:
  DepthwisePixels(const MapRows& x, const DepthwiseWeights& weights)
      : x_(x),
        weights_(weights),
        vertical_(ComputeSamePadding(x.height, weights.kernel_size, weights.stride)),
        horizontal_(ComputeSamePadding(x.width, weights.kernel_size, weights.stride)) {}
  // Pixel (y * width + x) of the output -> out [channels].
  void operator()(int64_t pixel, float* out) const;

 private:
  const MapRows x_;
  const DepthwiseWeights& weights_;
  SamePadding vertical_, horizontal_;
};
FeatureMap ConvolveDepthwise(const FeatureMap& x, const DepthwiseWeights& weights,
                             ThreadPool& pool);

}  // namespace gemma3n
