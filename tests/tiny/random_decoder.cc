// SPDX-License-Identifier: Apache-2.0
#include "tiny/random_decoder.h"

#include <cmath>

namespace gemma3n {
RandomDecoder::RandomDecoder(const TextConfig& config, uint64_t seed, DType dtype)
    : dtype_(dtype), random_(seed) {
  const int64_t hidden = config.hidden_size, width = config.hidden_size_per_layer_input;
  const int64_t layers = config.num_hidden_layers;
  weights_.config = config;
  weights_.embedding.embed_tokens = Matrix(config.vocab_size, hidden);
  weights_.per_layer.embed_tokens_per_layer =
      Matrix(config.vocab_size_per_layer_input, layers * width);
  const TensorView projection = Matrix(layers * width, hidden);
  for (int64_t layer = 0; layer < layers; ++layer) {
    weights_.per_layer.per_layer_model_projection.push_back(
        projection.Rows(layer * width, (layer + 1) * width));
  }
  weights_.per_layer.per_layer_projection_norm = Norm(width);
  for (int64_t k = 1; k < config.altup_num_inputs; ++k) {
    weights_.altup_projections.push_back(Matrix(hidden, hidden));
    weights_.altup_unembed_projections.push_back(Matrix(hidden, hidden));
  }
  for (int layer = 0; layer < layers; ++layer) weights_.layers.push_back(Layer(layer));
  weights_.norm = Norm(hidden);
  weights_.lm_head = weights_.embedding.embed_tokens;
}

TensorView RandomDecoder::Matrix(int64_t out, int64_t in) {
  TensorView view{dtype_, {out, in}, nullptr};
  memory_.emplace_back(view.bytes());
  view.data = memory_.back().data();
  const float scale = 1.0f / std::sqrt(static_cast<float>(in));
  void* data = memory_.back().data();
  for (int64_t i = 0; i < out * in; ++i) {
    const float value = scale * random_.Normal();
    if (dtype_ == DType::kF32) static_cast<float*>(data)[i] = value;
    if (dtype_ == DType::kBF16) static_cast<Bf16*>(data)[i] = ToBf16(value);
    if (dtype_ == DType::kF16) static_cast<F16*>(data)[i] = ToF16(value);
  }
  return view;
}

std::vector<float> RandomDecoder::Norm(int64_t size) {
  std::vector<float> weights = Small(size, 0.2f);
  for (float& weight : weights) weight += 1.0f;
  return weights;
}

std::vector<float> RandomDecoder::Small(int64_t size, float scale) {
  std::vector<float> values(size);
  for (float& value : values) value = scale * random_.Normal();
  return values;
}

LayerWeights RandomDecoder::Layer(int layer) {
  const TextConfig& config = weights_.config;
  const int64_t hidden = config.hidden_size, streams = config.altup_num_inputs;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const int64_t ffn = config.intermediate_size[layer];
  const int64_t width = config.hidden_size_per_layer_input;
  const float sparsity = static_cast<float>(config.activation_sparsity_pattern[layer]);
  LayerWeights w;
  w.input_layernorm = Norm(hidden);
  w.post_attention_layernorm = Norm(hidden);
  w.pre_feedforward_layernorm = Norm(hidden);
  w.post_feedforward_layernorm = Norm(hidden);
  w.post_per_layer_input_norm = Norm(hidden);
  w.altup = {.router_norm = Norm(hidden),
             .modality_router = Small(streams * hidden, std::sqrt(static_cast<float>(hidden))),
             .prediction_coefs = Small(streams * streams * streams, 0.3f),
             .correction_coefs = Small(streams * streams, 0.3f),
             .correct_output_scale = Norm(hidden)};
  w.laurel = {Matrix(config.laurel_rank, hidden), Matrix(hidden, config.laurel_rank), Norm(hidden)};
  w.attention.q_proj = Matrix(queries, hidden);
  w.attention.o_proj = Matrix(hidden, queries);
  w.attention.q_norm = Norm(config.head_dim);
  if (config.kv_source_layer(layer) == layer) {
    w.attention.k_proj = Matrix(keys, hidden);
    w.attention.v_proj = Matrix(keys, hidden);
    w.attention.k_norm = Norm(config.head_dim);
  }
  w.feed_forward = {Matrix(ffn, hidden), Matrix(ffn, hidden), Matrix(hidden, ffn), sparsity > 0,
                    sparsity > 0 ? CutoffDeviations(sparsity) : 0};
  w.per_layer_input_gate = Matrix(width, hidden);
  w.per_layer_projection = Matrix(hidden, width);
  return w;
}

TextConfig TinyConfig() {
  TextConfig config{};
  config.vocab_size = 131;
  config.vocab_size_per_layer_input = 120;
  config.hidden_size = 48;
  config.hidden_size_per_layer_input = 8;
  config.num_hidden_layers = 7;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.sliding_window = 70;
  config.num_kv_shared_layers = 3;
  config.altup_num_inputs = 4;
  config.laurel_rank = 8;
  config.intermediate_size = {96, 128, 96, 80, 96, 64, 100};
  config.activation_sparsity_pattern = {0.95, 0.9, 0, 0.5, 0, 0, 0};
  config.sliding = {true, true, false, true, true, true, false};
  config.rope_theta = 1e6;
  config.rope_local_base_freq = 1e4;
  config.rms_norm_eps = 1e-6f;
  config.final_logit_softcapping = 30;
  config.altup_correct_scale = true;
  return config;
}

}  // namespace gemma3n
