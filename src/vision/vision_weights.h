// SPDX-License-Identifier: Apache-2.0
// The vision encoder's structure and tensors. Nothing is assumed but the naming scheme of timm's
// MobileNetV5Encoder: kinds of blocks, kernel sizes, widths and heads follow from the tensors that
// are there, strides from vision_config.model_args where it states them.
#pragma once

#include <vector>

#include "checkpoint/checkpoint.h"
#include "vision/mobilenet_blocks.h"

namespace gemma3n {

struct VisionWeights {
  ConvolutionWeights stem;
  std::vector<float> stem_bias;  // [channels]; zeros where the checkpoint has none
  std::vector<float> stem_norm;
  std::vector<std::vector<BlockWeights>> stages;
  // Multi-scale fusion.
  PointwiseWeights fusion_exp, fusion_proj;
  std::vector<float> fusion_norm;
  int64_t output_side;  // the grid of features

  // Reads "model.vision_tower.timm_model.*". `soft_tokens` is the square of output_side unless
  // model_args says otherwise. Throws Error (kModel) naming the tensor.
  static VisionWeights Load(const Checkpoint& checkpoint, int64_t soft_tokens);
};

}  // namespace gemma3n
