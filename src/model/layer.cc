// SPDX-License-Identifier: Apache-2.0
#include "model/layer.h"

#include <cmath>

#include "kernels/rows.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

const LayerWeights& WeightsOf(const Pass& pass) {
  return pass.weights.layers[pass.chunk.layer];
}

AttentionScratch ScratchOf(const Pass& pass) {
  Activations& act = pass.activations;
  return {act.query.data(), act.attended.data(),
          act.key.data(),   act.value.data(),
          act.lone_queries, act.rope(pass.weights.config.is_sliding(pass.chunk.layer))};
}

// Streams h -> predicted (`wanted` of them) -> x, the first one normalized.
void PredictAndNorm(Pass& pass, int64_t wanted) {
  Activations& act = pass.activations;
  const LayerWeights& layer = WeightsOf(pass);
  const float eps = pass.weights.config.rms_norm_eps;
  const Chunk& chunk = pass.chunk;
  const Streams h = act.h(), predicted = act.predicted();
  Predict(layer.altup, eps, {h, predicted, wanted}, chunk, act.routing.data());
  ops::RmsNorm({predicted.row(0, 0), chunk.rows, act.hidden}, layer.input_layernorm, eps,
               {act.x.data(), chunk.rows, act.hidden}, chunk.pool);
  chunk.Observe("predicted_0", predicted.row(0, 0), act.hidden);
  chunk.Observe("normed", act.x.data(), act.hidden);
}

// The matrices that meet x first, in one go: queries and the low rank of LAuReL, keys and values.
void Project(Pass& pass, bool queries, bool keys_values) {
  Activations& act = pass.activations;
  const TextConfig& config = pass.weights.config;
  const LayerWeights& layer = WeightsOf(pass);
  const int64_t rows = pass.chunk.rows;
  const int64_t query_width = config.num_attention_heads * config.head_dim;
  const int64_t key_width = config.num_key_value_heads * config.head_dim;
  const ops::LinearPart parts[] = {
      {layer.attention.q_proj, {act.query.data(), rows, query_width}},
      {layer.laurel.linear_left, {act.laurel_low.data(), rows, config.laurel_rank}},
      {layer.attention.k_proj, {act.key.data(), rows, key_width}},
      {layer.attention.v_proj, {act.value.data(), rows, key_width}},
  };
  const size_t begin = queries ? 0 : 2, end = keys_values ? 4 : 2;
  ops::Linear({act.x.data(), rows, act.hidden}, std::span(parts).subspan(begin, end - begin),
              pass.chunk.pool);
}

// residual = ((predicted_0 + norm(attention)) + laurel) / sqrt(2); x = norm(residual).
void JoinAttention(Pass& pass) {
  Activations& act = pass.activations;
  const LayerWeights& layer = WeightsOf(pass);
  const float eps = pass.weights.config.rms_norm_eps;
  const Chunk& chunk = pass.chunk;
  const int64_t hidden = act.hidden;
  chunk.ForEachRow([&](int64_t row) {
    float* attention = act.part.data() + row * hidden;
    float* y = act.residual.data() + row * hidden;
    kernels::RmsNorm(attention, layer.post_attention_layernorm.data(), eps, hidden, attention);
    kernels::ScaledSum(act.predicted().row(0, row), attention, act.laurel.data() + row * hidden,
                       static_cast<float>(M_SQRT1_2), hidden, y);
    kernels::RmsNorm(y, layer.pre_feedforward_layernorm.data(), eps, hidden,
                     act.x.data() + row * hidden);
  });
  chunk.Observe("attention", act.part.data(), hidden);
  chunk.Observe("laurel", act.laurel.data(), hidden);
  chunk.Observe("attention_laurel", act.residual.data(), hidden);
}

// residual += norm(feed-forward)
void JoinFeedForward(Pass& pass) {
  Activations& act = pass.activations;
  const LayerWeights& layer = WeightsOf(pass);
  const float eps = pass.weights.config.rms_norm_eps;
  const int64_t hidden = act.hidden;
  pass.chunk.ForEachRow([&](int64_t row) {
    float* z = act.residual.data() + row * hidden;
    kernels::AddRmsNorm(act.part.data() + row * hidden, layer.post_feedforward_layernorm.data(),
                        eps, z, hidden, z);
  });
  pass.chunk.Observe("activated", act.residual.data(), hidden);
}

// The per-layer input, gated by stream 0, is added to the other streams.
void InjectPerLayerInput(Pass& pass) {
  Activations& act = pass.activations;
  const LayerWeights& layer = WeightsOf(pass);
  const float eps = pass.weights.config.rms_norm_eps;
  const Chunk& chunk = pass.chunk;
  const int64_t hidden = act.hidden, width = layer.per_layer_input_gate.shape[0];
  const Streams h = act.h();
  const float* per_layer_input = act.per_layer_input(chunk.layer);
  chunk.Observe("per_layer_input", per_layer_input, width);
  const float* gated = h.row(0, 0);
  if (!layer.altup.correct_output_scale.empty()) {
    chunk.ForEachRow([&](int64_t row) {
      kernels::Multiply(h.row(0, row), layer.altup.correct_output_scale.data(), hidden,
                        act.x.data() + row * hidden);
    });
    gated = act.x.data();
  }
  chunk.Observe("per_layer_gate_input", gated, hidden);
  ops::Linear({gated, chunk.rows, hidden}, layer.per_layer_input_gate,
              {act.per_layer_gate.data(), chunk.rows, width}, chunk.pool);
  chunk.ForEachRow([&](int64_t row) {
    float* gate = act.per_layer_gate.data() + row * width;
    kernels::Gelu(gate, width, gate);
    kernels::Multiply(gate, per_layer_input + row * width, width, gate);
  });
  chunk.Observe("per_layer_product", act.per_layer_gate.data(), width);
  ops::Linear({act.per_layer_gate.data(), chunk.rows, width}, layer.per_layer_projection,
              {act.part.data(), chunk.rows, hidden}, chunk.pool);
  chunk.ForEachRow([&](int64_t row) {
    float* part = act.part.data() + row * hidden;
    kernels::RmsNorm(part, layer.post_per_layer_input_norm.data(), eps, hidden, part);
    for (int64_t k = 1; k < h.count; ++k) {
      kernels::Add(h.row(k, row), part, hidden, h.row(k, row));
    }
  });
}

// Everything after the keys and values: streams `predicted`, x -> streams h.
void ForwardRest(Pass& pass) {
  Activations& act = pass.activations;
  const TextConfig& config = pass.weights.config;
  const LayerWeights& layer = WeightsOf(pass);
  const Chunk& chunk = pass.chunk;
  const float eps = config.rms_norm_eps;
  Laurel(layer.laurel, eps, act.x.data(), act.laurel_low.data(), chunk, act.laurel.data());
  Attend(config, layer.attention, chunk, ScratchOf(pass), act.part.data());
  JoinAttention(pass);
  FeedForward(pass.submodel.feed_forward[pass.place], act.x.data(), chunk,
              {act.gate.data(), act.up.data(), act.active.span(), act.survivors, act.survivors_up},
              act.part.data());
  JoinFeedForward(pass);
  const Streams h = act.h(), predicted = act.predicted();
  Correct(layer.altup, eps, {predicted, act.residual.data(), h}, chunk, act.routing.data());
  chunk.Observe("correction", {act.routing.data(), chunk.rows, AltUpScratchFloats(h.count)},
                h.count);
  InjectPerLayerInput(pass);
  ObserveStreams(h, chunk);
}

}  // namespace

void ForwardLayer(Pass& pass) {
  PredictAndNorm(pass, pass.activations.num_streams);
  const LayerWeights& layer = WeightsOf(pass);
  const bool own_keys_values = !layer.attention.k_proj.empty();
  Project(pass, true, own_keys_values);
  if (own_keys_values) {
    StoreKeysValues(pass.weights.config, layer.attention, pass.chunk, ScratchOf(pass));
  }
  ForwardRest(pass);
}

void ForwardKeysValues(Pass& pass) {
  PredictAndNorm(pass, 1);
  Project(pass, false, true);
  StoreKeysValues(pass.weights.config, WeightsOf(pass).attention, pass.chunk, ScratchOf(pass));
}

void ForwardQueries(Pass& pass) {
  PredictAndNorm(pass, pass.activations.num_streams);
  Project(pass, true, false);
  ForwardRest(pass);
}

void PreparePerLayerInputs(Pass& pass, std::span<const int> layers) {
  Activations& act = pass.activations;
  PerLayerInputs(
      pass.weights.per_layer, pass.weights.config.rms_norm_eps,
      {pass.inputs, {act.embedded.data(), pass.chunk.rows, act.hidden}}, pass.chunk,
      {layers, act.per_layer_inputs.data(), act.per_layer_floats(), act.per_layer_gate.data()});
}

}  // namespace gemma3n
