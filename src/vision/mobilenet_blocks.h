// SPDX-License-Identifier: Apache-2.0
// The three kinds of block of MobileNet-V5 (timm's EdgeResidual, UniversalInvertedResidual and
// MobileAttention with multi-query attention). Every convolution is followed by a norm over the
// channels of each pixel; the activation is GELU in its tanh form.
#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/thread_pool.h"
#include "vision/convolution.h"

namespace gemma3n {

constexpr float kVisionNormEps = 1e-6f;  // everywhere in this encoder

// A 1x1 convolution and the norm after it.
struct PointwiseWeights {
  TensorView conv;          // [out, in]
  std::vector<float> norm;  // [out]
};

// 3x3 convolution up, 1x1 down.
struct EdgeResidualWeights {
  ConvolutionWeights conv_exp;
  std::vector<float> bn1;     // [expanded]
  PointwiseWeights conv_pwl;  // and bn2
};

// Depthwise (optional), 1x1 up, depthwise (optional), 1x1 down.
struct InvertedResidualWeights {
  struct Depthwise {
    DepthwiseWeights conv;
    std::vector<float> norm;
  };
  std::optional<Depthwise> dw_start;
  PointwiseWeights pw_exp;
  std::optional<Depthwise> dw_mid;
  PointwiseWeights pw_proj;
  std::vector<float> layer_scale;  // [out] or empty
  bool allow_skip = true;
};

// Multi-query attention of every pixel to a map of keys and values, shared by all heads.
struct MobileAttentionWeights {
  std::vector<float> norm;  // [channels]
  TensorView query;         // [heads * key_dim, channels]
  struct KeyValue {
    std::optional<InvertedResidualWeights::Depthwise> down;  // shrinks the map first
    TensorView proj;                                         // [key_dim, channels]
  };
  KeyValue key, value;
  TensorView output;               // [channels, heads * key_dim]
  std::vector<float> layer_scale;  // [channels] or empty
};

using BlockWeights =
    std::variant<EdgeResidualWeights, InvertedResidualWeights, MobileAttentionWeights>;

// x -> the block's output; x is spent.
FeatureMap RunBlock(const BlockWeights& weights, FeatureMap x, ThreadPool& pool);

// gelu(norm(x)) in place, row by row.
void NormAndGelu(std::span<const float> norm, ops::MutableRows x, ThreadPool& pool);

// out = norm_proj(proj(gelu(norm_exp(exp x)))) in blocks of rows that fit the cache.
void PointwisePair(const PointwiseWeights& exp, const PointwiseWeights& proj, ops::ConstRows x,
                   ops::MutableRows out, ThreadPool& pool);

}  // namespace gemma3n
