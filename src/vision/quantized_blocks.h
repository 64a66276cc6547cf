// SPDX-License-Identifier: Apache-2.0
// The blocks of MobileNet-V5 with all their matrices in 8 bits: the mathematics of
// mobilenet_blocks.h, a few dozen pixels at a time through all layers of a block. Only what a later
// pixel's neighbours need exists as a map. Products and depthwise convolutions have the bits of
// their counterparts there; attention rounds queries, keys, shares and values to 8 bits, too.
#pragma once

#include "vision/mobilenet_blocks.h"

namespace gemma3n {

// Whether all matrices of a block (of two layers) are in tiles of 8 bits.
bool IsQuantized(const BlockWeights& weights);
bool IsQuantized(const PointwiseWeights& exp, const PointwiseWeights& proj);

// As RunBlock and PointwisePair.
FeatureMap RunQuantizedBlock(const BlockWeights& weights, const FeatureMap& x, ThreadPool& pool);
void QuantizedPointwisePair(const PointwiseWeights& exp, const PointwiseWeights& proj,
                            ops::ConstRows x, ops::MutableRows out, ThreadPool& pool);

}  // namespace gemma3n
