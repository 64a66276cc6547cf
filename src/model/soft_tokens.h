// SPDX-License-Identifier: Apache-2.0
// Features of an encoder, and the special ids of a modality, as decoder input
// (Gemma3nMultimodalEmbedder): normalized, projected to the decoder's width, normalized again.
// The result has magnitude 1 and is not scaled like text embeddings.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "ops/linear.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct MultimodalEmbedder {
  int32_t vocab_offset = 0;  // the first id of this modality
  float eps = 0;
  // What features are multiplied by first: the square root of their width for vision, 1 for audio.
  float feature_scale = 1;
  TensorView embedding;                    // [vocab, width]
  std::vector<float> hard_embedding_norm;  // [width]
  std::vector<float> soft_embedding_norm;  // [width]
  TensorView embedding_projection;         // [hidden, width]

  int64_t vocab_size() const { return embedding.shape[0]; }
  int64_t width() const { return embedding.shape[1]; }
  int64_t hidden_size() const { return embedding_projection.shape[0]; }
  bool Has(int32_t id) const { return id >= vocab_offset && id - vocab_offset < vocab_size(); }
};

// The encoder's features [rows, width] -> soft tokens [rows, hidden].
void EmbedFeatures(const MultimodalEmbedder& embedder, ops::ConstRows features,
                   ops::MutableRows soft_tokens, ThreadPool& pool);

// One id of the modality, such as the end of an image or the filling of a clip -> out [hidden].
// `scratch` has width floats.
void EmbedModalityId(const MultimodalEmbedder& embedder, int32_t id, std::span<float> scratch,
                     std::span<float> out, ThreadPool& pool);

}  // namespace gemma3n
