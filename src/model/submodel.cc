// SPDX-License-Identifier: Apache-2.0
#include "model/submodel.h"

#include <algorithm>
#include <string>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// The first `width` neurons of a layer.
FeedForwardWeights Narrowed(const FeedForwardWeights& whole, int64_t hidden, int64_t width) {
  FeedForwardWeights cut = whole;
  cut.gate_proj = whole.gate_proj.Rows(0, width);
  if (!whole.up_proj.empty()) cut.up_proj = whole.up_proj.Rows(0, width);
  if (!whole.up_rows.empty()) cut.up_rows = whole.up_rows.Rows(0, width);
  if (!whole.down_rows.empty()) cut.down_rows = whole.down_rows.Rows(0, width);
  if (!whole.down_steps.empty()) {
    cut.down_steps = whole.down_steps.Rows(0, width / whole.down_steps.shape[1] * hidden);
  }
  return cut;
}

// CheckLayers holds: there is one.
size_t LastKeyValuePlace(const TextConfig& config, const SubmodelShape& shape) {
  size_t place = shape.layers.size() - 1;
  while (config.kv_source_layer(shape.layers[place]) != shape.layers[place]) --place;
  return place;
}

[[noreturn]] void Refuse(const std::string& why) {
  throw Error(ErrorKind::kUsage, "size: " + why);
}

void CheckLayers(const TextConfig& config, const std::vector<int>& layers) {
  if (layers.empty()) Refuse("expected at least one layer, found none");
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "layer " + std::to_string(layers[i]);
    if (layers[i] < 0 || layers[i] >= config.num_hidden_layers) {
      Refuse(name + ": the model has layers 0 to " + std::to_string(config.num_hidden_layers - 1));
    }
    if (i > 0 && layers[i] <= layers[i - 1]) Refuse(name + ": layers must ascend");
  }
  for (int layer : layers) {
    const int source = config.kv_source_layer(layer);
    if (!std::binary_search(layers.begin(), layers.end(), source)) {
      Refuse("layer " + std::to_string(source) + " cannot be left out: layer " +
             std::to_string(layer) + " reads its keys and values");
    }
  }
}

}  // namespace

SubmodelShape SubmodelShape::Full(const TextConfig& config) {
  SubmodelShape shape;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) shape.layers.push_back(layer);
  shape.intermediate_size = config.intermediate_size;
  return shape;
}

int64_t WidthStep(const FeedForwardWeights& weights) {
  int64_t step = packed::IsTiled(weights.gate_proj.dtype) ? packed::kTileRows : 1;
  if (!weights.down_steps.empty()) step = std::max(step, weights.down_steps.shape[1]);
  if (packed::IsTiled(weights.down_proj.dtype) && !weights.down_proj.empty()) {
    step = std::max(step, packed::kBlock);
  }
  return step;
}

void CheckShape(const DecoderWeights& weights, const SubmodelShape& shape) {
  CheckLayers(weights.config, shape.layers);
  CHECK_EQ(shape.layers.size(), shape.intermediate_size.size());
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    const int layer = shape.layers[i];
    const int64_t width = shape.intermediate_size[i];
    const int64_t widest = weights.config.intermediate_size[layer];
    const int64_t step = WidthStep(weights.layers[layer].feed_forward);
    const std::string where = "width of layer " + std::to_string(layer) + ": expected ";
    if (width < 1 || width > widest) {
      Refuse(where + "1 to " + std::to_string(widest) + ", found " + std::to_string(width));
    }
    if (width != widest && width % step != 0) {
      Refuse(where + "a multiple of " + std::to_string(step) +
             ", which is what this file can be cut to, found " + std::to_string(width));
    }
  }
}

int64_t EffectiveParameters(const TextConfig& config, const SubmodelShape& shape) {
  const int64_t hidden = config.hidden_size, streams = config.altup_num_inputs;
  const int64_t width = config.hidden_size_per_layer_input;
  const int64_t heads = config.num_attention_heads + config.num_key_value_heads;
  const int64_t attention = 2 * hidden * heads * config.head_dim + 2 * config.head_dim;
  const int64_t norms = 5 * hidden;
  const int64_t altup = hidden + streams * hidden + streams * streams * streams +
                        streams * streams + (config.altup_correct_scale ? hidden : 0);
  const int64_t laurel = 2 * hidden * config.laurel_rank + hidden;
  const int64_t per_layer = 3 * hidden * width;  // gate, projection, model projection
  int64_t sum = 2 * (streams - 1) * hidden * hidden + hidden + width;
  for (int64_t neurons : shape.intermediate_size) {
    sum += attention + norms + altup + laurel + per_layer + 3 * hidden * neurons;
  }
  return sum;
}

int64_t PromptMultiplyAdds(const TextConfig& config, const SubmodelShape& shape) {
  SubmodelShape lower = shape;
  const size_t places = LastKeyValuePlace(config, shape) + 1;
  lower.layers.resize(places);
  lower.intermediate_size.resize(places);
  double sum = static_cast<double>(EffectiveParameters(config, lower));
  for (size_t place = 0; place < places; ++place) {
    const double rest = config.activation_sparsity_pattern[lower.layers[place]];
    sum -= 2 * rest * static_cast<double>(config.hidden_size * lower.intermediate_size[place]);
  }
  return static_cast<int64_t>(sum);
}

bool ShareKeysValues(const TextConfig& config, const SubmodelShape& a, const SubmodelShape& b) {
  if (a == b) return true;
  const size_t last = LastKeyValuePlace(config, a);
  if (last != LastKeyValuePlace(config, b)) return false;
  return std::equal(a.layers.begin(), a.layers.begin() + last + 1, b.layers.begin()) &&
         std::equal(a.intermediate_size.begin(), a.intermediate_size.begin() + last,
                    b.intermediate_size.begin());
}

bool ShareLowerLayers(const TextConfig& config, const SubmodelShape& a, const SubmodelShape& b) {
  const size_t last = LastKeyValuePlace(config, a);
  return ShareKeysValues(config, a, b) && a.intermediate_size[last] == b.intermediate_size[last];
}

Submodel::Submodel(const DecoderWeights& weights, SubmodelShape wanted)
    : shape(std::move(wanted)), last_key_value_place(LastKeyValuePlace(weights.config, shape)) {
  for (size_t i = 0; i < shape.layers.size(); ++i) {
    const int layer = shape.layers[i];
    const int64_t width = shape.intermediate_size[i];
    const FeedForwardWeights& whole = weights.layers[layer].feed_forward;
    feed_forward.push_back(width == weights.config.intermediate_size[layer]
                               ? whole
                               : Narrowed(whole, weights.config.hidden_size, width));
  }
}

int64_t WeightBytesPerStep(const DecoderWeights& weights, const SubmodelShape& shape) {
  const Submodel submodel(weights, shape);
  int64_t bytes = weights.lm_head.bytes();
  const auto add = [&](const TensorView& view) { bytes += view.empty() ? 0 : view.bytes(); };
  for (const TensorView& view : weights.altup_projections) add(view);
  for (const TensorView& view : weights.altup_unembed_projections) add(view);
  for (size_t place = 0; place < submodel.shape.layers.size(); ++place) {
    const int layer = submodel.shape.layers[place];
    const LayerWeights& w = weights.layers[layer];
    const FeedForwardWeights& neurons = submodel.feed_forward[place];
    for (const TensorView* view :
         {&w.laurel.linear_left, &w.laurel.linear_right, &w.attention.q_proj, &w.attention.k_proj,
          &w.attention.v_proj, &w.attention.o_proj, &neurons.gate_proj, &neurons.up_proj,
          &neurons.up_rows, &neurons.down_rows, &neurons.down_steps, &w.per_layer_input_gate,
          &w.per_layer_projection, &weights.per_layer.per_layer_model_projection[layer]}) {
      add(*view);
    }
    if (const TensorView& down = neurons.down_proj; !down.empty()) {
      const int64_t width = neurons.gate_proj.shape[0];
      bytes += static_cast<int64_t>(packed::StoredBytes(down.dtype, {down.shape[0], width}));
    }
  }
  return bytes;
}

}  // namespace gemma3n
