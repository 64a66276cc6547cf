// SPDX-License-Identifier: Apache-2.0
// Per-layer embeddings (get_per_layer_inputs, project_per_layer_inputs): every layer gets a small
// vector of its own for each position, from a table row of the token id and a projection of the
// first hidden state. Rows are read from the mapped table as ids need them.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "model/chunk.h"
#include "model/embedding.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct PerLayerEmbeddingWeights {
  int64_t vocab_size = 0;  // of the table
  // [vocab_size, layers * width]; quantized [vocab_size * layers, width], in single rows.
  TensorView embed_tokens_per_layer;
  std::vector<TensorView> per_layer_model_projection;  // a layer's rows [width, hidden], by layer
  std::vector<float> per_layer_projection_norm;        // [width]
  // Gives the pages of the table's rows that were read back to the system; may be empty.
  std::function<void()> give_back;
  int64_t num_layers() const { return static_cast<int64_t>(per_layer_model_projection.size()); }
  int64_t width() const { return static_cast<int64_t>(per_layer_projection_norm.size()); }
};

struct PerLayerSource {
  std::span<const DecoderInput> inputs;
  ops::ConstRows embedded;  // [rows, hidden], the inputs' first hidden state
};
struct PerLayerOutputs {
  std::span<const int> layers;  // whose inputs are wanted
  float* memory;                // [num_layers, max_rows, width]: of each layer its first rows
  int64_t layer_floats;         // max_rows * width
  float* scratch;               // [rows, width]
  float* Of(int layer) const { return memory + layer * layer_floats; }
};
// The inputs [rows, width] of some layers. Ids outside the table use its row 0.
void PerLayerInputs(const PerLayerEmbeddingWeights& weights, float eps,
                    const PerLayerSource& source, const Chunk& chunk,
                    const PerLayerOutputs& outputs);

}  // namespace gemma3n
