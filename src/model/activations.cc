// SPDX-License-Identifier: Apache-2.0
#include "model/activations.h"

#include <algorithm>
#include <cstring>

namespace gemma3n {
namespace {

int64_t WidestModality(const EmbeddingWeights& weights) {
  int64_t width = 0;
  for (const auto* modality : {&weights.vision, &weights.audio}) {
    if (*modality) width = std::max(width, (*modality)->width());
  }
  return width;
}

}  // namespace

Activations::Activations(const DecoderWeights& weights, int64_t rows)
    : max_rows(rows),
      num_streams(weights.config.altup_num_inputs),
      hidden(weights.config.hidden_size),
      rope_sliding(weights.config.head_dim, weights.config.rope_local_base_freq, rows),
      rope_full(weights.config.head_dim, weights.config.rope_theta, rows) {
  const TextConfig& config = weights.config;
  const auto& widths = config.intermediate_size;
  const int64_t widest = *std::max_element(widths.begin(), widths.end());
  for (AlignedBuffer<float>* buffer : {&embedded, &x, &laurel, &part, &residual}) {
    buffer->Resize(rows * hidden);
  }
  h_memory.Resize(num_streams * rows * hidden);
  predicted_memory.Resize(num_streams * rows * hidden);
  routing.Resize(rows * AltUpScratchFloats(num_streams));
  laurel_low.Resize(rows * config.laurel_rank);
  query.Resize(rows * config.num_attention_heads * config.head_dim);
  attended.Resize(query.size());
  key.Resize(rows * config.num_key_value_heads * config.head_dim);
  value.Resize(key.size());
  gate.Resize(rows * widest);
  up.Resize(rows * widest);
  active.Resize(widest);
  per_layer_gate.Resize(rows * config.hidden_size_per_layer_input);
  per_layer_inputs.Resize(per_layer_gate.size() * config.num_hidden_layers);
  modality.Resize(WidestModality(weights.embedding));
  lone_queries.reserve(static_cast<size_t>(rows));
}

int64_t Activations::BytesFor(const TextConfig& config, int64_t rows) {
  const auto& widths = config.intermediate_size;
  const int64_t per_row =
      (5 + 2 * config.altup_num_inputs) * config.hidden_size + config.laurel_rank +
      2 * (config.num_attention_heads + config.num_key_value_heads) * config.head_dim +
      2 * *std::max_element(widths.begin(), widths.end()) +
      (1 + config.num_hidden_layers) * config.hidden_size_per_layer_input;
  return rows * per_row * static_cast<int64_t>(sizeof(float));
}

void Activations::KeepLast(int64_t rows, int64_t count) {
  const auto move = [&](float* data) {
    std::memmove(data, data + (rows - count) * hidden, count * hidden * sizeof(float));
  };
  move(embedded.data());
  for (int64_t k = 0; k < num_streams; ++k) move(h().row(k, 0));
}

}  // namespace gemma3n
