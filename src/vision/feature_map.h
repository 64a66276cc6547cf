// SPDX-License-Identifier: Apache-2.0
// What flows between the blocks of the vision encoder: pixels as rows, channels innermost, so that
// a 1x1 convolution is a linear layer over rows.
#pragma once

#include <algorithm>

#include "ops/linear.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct FeatureMap {
  FeatureMap() = default;
  FeatureMap(const FeatureMap& other) : FeatureMap(other.height, other.width, other.channels) {
    std::copy_n(other.values.data(), values.size(), values.data());
  }
  FeatureMap(FeatureMap&&) = default;
  FeatureMap& operator=(FeatureMap&&) = default;
  FeatureMap& operator=(const FeatureMap& other) { return *this = FeatureMap(other); }
  FeatureMap(int64_t height_, int64_t width_, int64_t channels_)
      : height(height_),
        width(width_),
        channels(channels_),
        values({height_ * width_, channels_}) {}
  // A map all of whose values are still to be written.
  static FeatureMap Unset(int64_t height, int64_t width, int64_t channels) {
    FeatureMap map;
    map.height = height;
    map.width = width;
    map.channels = channels;
    map.values = Tensor::Unset({height * width, channels});
    return map;
  }

  int64_t pixels() const { return height * width; }
  float* pixel(int64_t y, int64_t x) { return values.row(y * width + x); }
  const float* pixel(int64_t y, int64_t x) const { return values.row(y * width + x); }
  ops::ConstRows rows() const { return {values.data(), pixels(), channels}; }
  ops::MutableRows rows() { return {values.data(), pixels(), channels}; }

  int64_t height = 0, width = 0, channels = 0;
  Tensor values;  // [height * width, channels]
};

}  // namespace gemma3n
