// SPDX-License-Identifier: Apache-2.0
// What stands at each position -> the decoder's first hidden state. Text ids are scaled rows of
// embed_tokens; the ids of a modality go through its embedder; soft tokens come as they are
// (Gemma3nModel.forward).
#pragma once

#include <optional>
#include <span>

#include "model/chunk.h"
#include "model/soft_tokens.h"
#include "tensor/tensor.h"

namespace gemma3n {

// One position of a prompt.
struct DecoderInput {
  // The token id. Beside a soft token: the id of its placeholder, whose per-layer row is used.
  int32_t id = 0;
  // A soft token [hidden], as EmbedFeatures makes them, which takes the place of the id's
  // embedding. Borrowed during the call.
  const float* soft_token = nullptr;
};

struct EmbeddingWeights {
  TensorView embed_tokens;                   // [vocab, hidden]
  std::optional<MultimodalEmbedder> vision;  // ids from its offset to the offset of audio
  std::optional<MultimodalEmbedder> audio;   // ids from its offset on

  // The embedder that an id belongs to; null for text.
  const MultimodalEmbedder* Modality(int32_t id) const;
};

// Throws Error (kRequest) when an id has no embedding.
void CheckInputs(const EmbeddingWeights& weights, std::span<const DecoderInput> inputs);

// inputs [rows] -> out [rows, hidden]. `scratch` has the width of the widest modality.
void Embed(const EmbeddingWeights& weights, std::span<const DecoderInput> inputs,
           const Chunk& chunk, std::span<float> scratch, float* out);

}  // namespace gemma3n
