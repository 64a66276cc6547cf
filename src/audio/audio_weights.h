// SPDX-License-Identifier: Apache-2.0
// The audio encoder's tensors, by the names of Gemma3nAudioEncoder, shapes checked. Matrices stay
// in the mapped file; vectors and convolution kernels are small and widened to float32.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "audio/audio_config.h"
#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct SubsamplingWeights {
  struct Convolution {
    Tensor taps;              // [kernel_time * kernel_frequency * input channels, channels]
    std::vector<float> norm;  // [channels]
  };
  std::array<Convolution, 2> convolutions;
  TensorView input_proj_linear;  // [hidden, frequencies * channels]
};

struct ConformerFeedForwardWeights {
  std::vector<float> pre_layer_norm, post_layer_norm;  // [hidden]
  TensorView ffw_layer_1;                              // [4 hidden, hidden]
  TensorView ffw_layer_2;                              // [hidden, 4 hidden]
};

struct ConformerBlockWeights {
  ConformerFeedForwardWeights ffw_layer_start, ffw_layer_end;
  // Attention.
  std::vector<float> pre_attn_norm, post_norm;  // [hidden]
  TensorView q_proj, k_proj, v_proj, post;      // [hidden, hidden]
  std::vector<float> query_scale;               // [head_dim], softplus(per_dim_scale) and constants
  Tensor relative_positions;  // [window, hidden]: distance into the past, head by head
  // Light convolution.
  std::vector<float> lconv_pre_layer_norm, conv_norm;  // [hidden]
  TensorView linear_start;                             // [2 hidden, hidden]
  Tensor depthwise;                                    // [kernel, hidden]
  TensorView linear_end;                               // [hidden, hidden]
  std::vector<float> norm;                             // [hidden]
};

struct AudioWeights {
  SubsamplingWeights subsampling;
  std::vector<ConformerBlockWeights> conformer;

  // How the names of a conformer block's tensors begin.
  static std::string BlockPrefix(size_t block);
  // Reads "model.audio_tower.*". Throws Error (kModel) naming the tensor.
  static AudioWeights Load(const Checkpoint& checkpoint, const AudioConfig& config,
                           ThreadPool& pool);
};

}  // namespace gemma3n
