// SPDX-License-Identifier: Apache-2.0
// The decoder's tensors, found by their Hugging Face names and checked against the config. Matrices
// are views of the checkpoint, which must outlive them; norms and AltUp's small matrices are
// widened to float32 (a thousandth of the whole).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/altup.h"
#include "model/attention.h"
#include "model/config.h"
#include "model/embedding.h"
#include "model/feed_forward.h"
#include "model/laurel.h"
#include "model/per_layer_embedding.h"
#include "tensor/tensor.h"

namespace gemma3n {

// Where the text model's names begin: whole checkpoints, text-only exports, bare text models.
// Nothing when there is no text model.
std::optional<std::string> TextPrefix(const Checkpoint& checkpoint);
// Whether any tensor's name begins so.
bool HasPart(const Checkpoint& checkpoint, const std::string& prefix);

struct LayerWeights {
  std::vector<float> input_layernorm;             // [hidden]
  std::vector<float> post_attention_layernorm;    // [hidden]
  std::vector<float> pre_feedforward_layernorm;   // [hidden]
  std::vector<float> post_feedforward_layernorm;  // [hidden]
  AltUpWeights altup;
  LaurelWeights laurel;
  AttentionWeights attention;
  FeedForwardWeights feed_forward;
  TensorView per_layer_input_gate;               // [width, hidden]
  TensorView per_layer_projection;               // [hidden, width]
  std::vector<float> post_per_layer_input_norm;  // [hidden]
};

struct DecoderWeights {
  // Throws Error (kModel) naming file, tensor, expected and found. Keys and values of sharing
  // layers, which nothing reads, may be present or absent.
  static DecoderWeights Load(const Checkpoint& checkpoint, const ModelConfig& config);

  TextConfig config;
  EmbeddingWeights embedding;
  PerLayerEmbeddingWeights per_layer;
  std::vector<TensorView> altup_projections;          // [hidden, hidden] each
  std::vector<TensorView> altup_unembed_projections;  // [hidden, hidden] each
  std::vector<LayerWeights> layers;
  std::vector<float> norm;  // [hidden]
  TensorView lm_head;       // [vocab, hidden]: embed_tokens itself unless untied
};

}  // namespace gemma3n
