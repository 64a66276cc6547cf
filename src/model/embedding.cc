// SPDX-License-Identifier: Apache-2.0
#include "model/embedding.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "gemma3n/error.h"
#include "kernels/rows.h"
#include "ops/gather.h"

namespace gemma3n {

const MultimodalEmbedder* EmbeddingWeights::Modality(int32_t id) const {
  if (audio && id >= audio->vocab_offset) return &*audio;
  if (vision && id >= vision->vocab_offset) return &*vision;
  return nullptr;
}

void CheckInputs(const EmbeddingWeights& weights, std::span<const DecoderInput> inputs) {
  const int64_t vocab = weights.embed_tokens.shape[0];
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int32_t id = inputs[i].id;
    const MultimodalEmbedder* modality = weights.Modality(id);
    const bool known = id >= 0 && id < vocab && (modality == nullptr || modality->Has(id));
    if (!known && inputs[i].soft_token == nullptr) {
      throw Error(ErrorKind::kRequest, "token id " + std::to_string(id) + " (number " +
                                           std::to_string(i) + " of this input) is not in [0, " +
                                           std::to_string(vocab) + ")");
    }
  }
}

void Embed(const EmbeddingWeights& weights, std::span<const DecoderInput> inputs,
           const Chunk& chunk, std::span<float> scratch, float* out) {
  const int64_t hidden = weights.embed_tokens.shape[1];
  const float scale = static_cast<float>(std::sqrt(static_cast<double>(hidden)));
  chunk.ForEachRow([&](int64_t row) {
    const DecoderInput& input = inputs[row];
    float* y = out + row * hidden;
    if (input.soft_token != nullptr) {
      std::copy_n(input.soft_token, hidden, y);
    } else if (weights.Modality(input.id) == nullptr) {
      ops::GatherRow(weights.embed_tokens, {.row = input.id, .begin = 0},
                     {y, static_cast<size_t>(hidden)});
      kernels::Scale(y, scale, hidden, y);
    }
  });
  // Rare, and each a matrix product that wants all threads.
  for (int64_t row = 0; row < chunk.rows; ++row) {
    const MultimodalEmbedder* modality = weights.Modality(inputs[row].id);
    if (inputs[row].soft_token != nullptr || modality == nullptr) continue;
    EmbedModalityId(*modality, inputs[row].id, scratch,
                    {out + row * hidden, static_cast<size_t>(hidden)}, chunk.pool);
  }
}

}  // namespace gemma3n
