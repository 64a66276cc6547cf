// SPDX-License-Identifier: Apache-2.0
// A size of the model: which of its layers a pass walks through, and how many neurons each of their
// feed-forward parts has (MatFormer, arXiv 2310.07707). It is a view: weights, caches and per-layer
// embeddings keep the full model's layer numbers, nothing is copied, and what lies outside is not
// read.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "model/weights.h"

namespace gemma3n {

struct SubmodelShape {
  std::vector<int> layers;                 // ascending, the full model's numbers
  std::vector<int64_t> intermediate_size;  // [layers]: neurons of each, the first ones

  static SubmodelShape Full(const TextConfig& config);
  friend bool operator==(const SubmodelShape&, const SubmodelShape&) = default;
};

// Throws Error (kUsage) saying what is wrong with a shape: layers out of order or unknown, no
// layer, one left out that others read keys and values of, widths that the model does not have or
// that its stored form cannot be cut to.
void CheckShape(const DecoderWeights& weights, const SubmodelShape& shape);

// What a layer's feed-forward width must be a multiple of, as its weights are stored.
int64_t WidthStep(const FeedForwardWeights& weights);

// Parameters that such a size reads, without encoders and without the table of per-layer
// embeddings: what Google's names of sizes count ("effective parameters").
int64_t EffectiveParameters(const TextConfig& config, const SubmodelShape& shape);

// Multiply-adds of a prompt's position: its products with the matrices of the layers up to the last
// one that writes keys and values, of sparse layers with the share of neurons that is meant to be
// active.
int64_t PromptMultiplyAdds(const TextConfig& config, const SubmodelShape& shape);

// Whether keys and values computed with one are those of the other: the same layers up to the last
// one that writes them, and the same widths below it.
bool ShareKeysValues(const TextConfig& config, const SubmodelShape& a, const SubmodelShape& b);

// Whether all that they compute up to there, that layer included, is the same: what one left off
// there the other can go on with.
bool ShareLowerLayers(const TextConfig& config, const SubmodelShape& a, const SubmodelShape& b);

struct Submodel {
  SubmodelShape shape;
  std::vector<FeedForwardWeights> feed_forward;  // of each of shape.layers
  // The place in shape.layers of the last one that writes keys and values: above it, positions do
  // not meet any more.
  size_t last_key_value_place;

  // CheckShape(weights, shape) holds. Borrows the weights' memory.
  Submodel(const DecoderWeights& weights, SubmodelShape shape);
};

// How many bytes of weights a step reads when every sparse layer's gates all survive; the per-layer
// table, of which it reads a row, does not count.
int64_t WeightBytesPerStep(const DecoderWeights& weights, const SubmodelShape& shape);

}  // namespace gemma3n
