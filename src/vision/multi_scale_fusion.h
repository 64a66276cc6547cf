// SPDX-License-Identifier: Apache-2.0
// The last two feature maps, joined on the finer grid and brought to the grid of soft tokens
// (timm's MobileNetV5MultiScaleFusionAdapter).
#pragma once

#include "vision/vision_weights.h"

namespace gemma3n {

// fine [H, W, C1], coarse (a smaller map) -> [output_side, output_side, features].
FeatureMap FuseScales(const VisionWeights& weights, const FeatureMap& fine,
                      const FeatureMap& coarse, ThreadPool& pool);

}  // namespace gemma3n
