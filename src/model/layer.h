// SPDX-License-Identifier: Apache-2.0
// One decoder layer (Gemma3nTextDecoderLayer): the order of its parts, on one page.
#pragma once

#include <span>

#include "model/activations.h"
#include "model/chunk.h"
#include "model/draft.h"
#include "model/kv_cache.h"
#include "model/submodel.h"
#include "model/weights.h"

namespace gemma3n {

// What a pass carries from layer to layer. The chunk says which layer is under way.
struct Pass {
  const DecoderWeights& weights;
  const Submodel& submodel;
  Activations& activations;
  std::span<const DecoderInput> inputs;  // one for each row of the chunk
  Chunk chunk;
  Draft* draft = nullptr;  // takes what the layers below the seam leave; may be null
  size_t place = 0;        // of the chunk's layer among the submodel's
};

// The whole layer: streams h -> streams h, keys and values into the cache.
void ForwardLayer(Pass& pass);

// Only what other positions can see of this layer: keys and values. Leaves h as it was.
void ForwardKeysValues(Pass& pass);

// The per-layer inputs of `layers` for the rows of the chunk, which those layers will want.
void PreparePerLayerInputs(Pass& pass, std::span<const int> layers);

// The layer for rows whose keys and values are in the cache already.
void ForwardQueries(Pass& pass);

}  // namespace gemma3n
