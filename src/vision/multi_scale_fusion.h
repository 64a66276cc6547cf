// SPDX-License-Identifier: Apache-2.0
// The last two feature maps, joined on the finer grid and brought to the grid of soft tokens
// (timm's MobileNetV5MultiScaleFusionAdapter).
#pragma once

#include "vision/vision_weights.h"

namespace gemma3n {

// Rows [begin, end) of fine [H, W, C1] and what lies there of coarse, a smaller map -> the same
// rows of fused [H, W, features].
void FuseRows(const VisionWeights& weights, const FeatureMap& fine, const FeatureMap& coarse,
              int64_t begin, int64_t end, FeatureMap& fused, ThreadPool& pool);

// -> [output_side, output_side, features].
FeatureMap ToSoftTokenGrid(const VisionWeights& weights, FeatureMap fused, ThreadPool& pool);

}  // namespace gemma3n
