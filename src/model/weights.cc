// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "checkpoint/tensors.h"
#include "gemma3n/error.h"

namespace gemma3n {

std::optional<std::string> TextPrefix(const Checkpoint& checkpoint) {
  constexpr const char* kPrefixes[] = {"model.language_model.", "model.", ""};
  for (const char* prefix : kPrefixes) {
    if (checkpoint.Has(std::string(prefix) + "embed_tokens.weight")) return prefix;
  }
  return std::nullopt;
}

bool HasPart(const Checkpoint& checkpoint, const std::string& prefix) {
  const std::vector<std::string> names = checkpoint.Names();  // sorted
  const auto first = std::lower_bound(names.begin(), names.end(), prefix);
  return first != names.end() && first->compare(0, prefix.size(), prefix) == 0;
}

namespace {

constexpr char kTransposedDown[] = "down_proj.transposed";
constexpr char kSteppedDown[] = "down_proj.steps";

AltUpWeights LoadAltUp(const Tensors& tensors, const TextConfig& config) {
  const int64_t streams = config.altup_num_inputs;
  AltUpWeights weights;
  weights.router_norm = tensors.Vector("router_norm.weight", config.hidden_size);
  weights.modality_router = tensors.Floats("modality_router.weight", {streams, config.hidden_size});
  weights.prediction_coefs =
      tensors.Floats("prediction_coefs.weight", {streams * streams, streams});
  weights.correction_coefs = tensors.Floats("correction_coefs.weight", {streams, streams});
  if (config.altup_correct_scale) {
    weights.correct_output_scale = tensors.Vector("correct_output_scale", config.hidden_size);
  }
  return weights;
}

LaurelWeights LoadLaurel(const Tensors& tensors, const TextConfig& config) {
  return {
      .linear_left = tensors.Tiles("linear_left.weight", config.laurel_rank, config.hidden_size),
      .linear_right = tensors.Tiles("linear_right.weight", config.hidden_size, config.laurel_rank),
      .post_laurel_norm = tensors.Vector("post_laurel_norm.weight", config.hidden_size)};
}

AttentionWeights LoadAttention(const Tensors& tensors, const TextConfig& config, int layer) {
  const int64_t hidden = config.hidden_size;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  AttentionWeights weights;
  weights.q_proj = tensors.Tiles("q_proj.weight", queries, hidden);
  weights.o_proj = tensors.Tiles("o_proj.weight", hidden, queries);
  weights.q_norm = tensors.Vector("q_norm.weight", config.head_dim);
  if (config.kv_source_layer(layer) == layer) {
    weights.k_proj = tensors.Tiles("k_proj.weight", keys, hidden);
    weights.v_proj = tensors.Tiles("v_proj.weight", keys, hidden);
    weights.k_norm = tensors.Vector("k_norm.weight", config.head_dim);
  }
  return weights;
}

// down_proj [hidden, width] in steps of columns: any that divide the width.
TensorView LoadSteps(const Tensors& tensors, int64_t hidden, int64_t width) {
  const TensorView found = tensors.Find(kSteppedDown);
  const int64_t step = found.shape.rank() == 2 ? found.shape[1] : 0;
  const bool fits = step > 0 && step % packed::kBlock == 0 && width % step == 0 &&
                    hidden % packed::kTileRows == 0 && packed::IsTiled(found.dtype);
  if (!fits) {
    throw Error(ErrorKind::kModel,
                tensors.FileOf(kSteppedDown) + ": tensor '" + tensors.FullName(kSteppedDown) +
                    "': expected tiles of [" + std::to_string(width) + " / step * " +
                    std::to_string(hidden) + ", step], step a multiple of 128, found " +
                    DTypeName(found.dtype) + " " + found.shape.ToString());
  }
  return tensors.Tiles(kSteppedDown, width / step * hidden, step);
}

// A sparse layer's up_proj and down_proj may be kept in single rows, a neuron each, of which only
// the active ones are read; down_proj is transposed then.
FeedForwardWeights LoadFeedForward(const Tensors& tensors, const TextConfig& config, int layer) {
  const int64_t hidden = config.hidden_size, width = config.intermediate_size[layer];
  const float sparsity = static_cast<float>(config.activation_sparsity_pattern[layer]);
  FeedForwardWeights weights{.gate_proj = tensors.Tiles("gate_proj.weight", width, hidden),
                             .sparse = sparsity > 0,
                             .cutoff_deviations = sparsity > 0 ? CutoffDeviations(sparsity) : 0};
  if (weights.sparse && tensors.Has(kTransposedDown)) {
    weights.up_rows = tensors.SingleRows("up_proj.weight", width, hidden);
    weights.down_rows = tensors.SingleRows(kTransposedDown, width, hidden);
    return weights;
  }
  weights.up_proj = tensors.Tiles("up_proj.weight", width, hidden);
  if (tensors.Has(kSteppedDown)) {
    weights.down_steps = LoadSteps(tensors, hidden, width);
  } else {
    weights.down_proj = tensors.Tiles("down_proj.weight", hidden, width);
  }
  return weights;
}

LayerWeights LoadLayer(const Tensors& tensors, const TextConfig& config, int layer) {
  const int64_t hidden = config.hidden_size, width = config.hidden_size_per_layer_input;
  const auto norm = [&](const char* name) {
    return tensors.Vector(std::string(name) + ".weight", hidden);
  };
  return {.input_layernorm = norm("input_layernorm"),
          .post_attention_layernorm = norm("post_attention_layernorm"),
          .pre_feedforward_layernorm = norm("pre_feedforward_layernorm"),
          .post_feedforward_layernorm = norm("post_feedforward_layernorm"),
          .altup = LoadAltUp(tensors.Below("altup"), config),
          .laurel = LoadLaurel(tensors.Below("laurel"), config),
          .attention = LoadAttention(tensors.Below("self_attn"), config, layer),
          .feed_forward = LoadFeedForward(tensors.Below("mlp"), config, layer),
          .per_layer_input_gate = tensors.Tiles("per_layer_input_gate.weight", width, hidden),
          .per_layer_projection = tensors.Tiles("per_layer_projection.weight", hidden, width),
          .post_per_layer_input_norm = norm("post_per_layer_input_norm")};
}

PerLayerEmbeddingWeights LoadPerLayer(const Tensors& tensors, const TextConfig& config) {
  const int64_t width = config.hidden_size_per_layer_input, layers = config.num_hidden_layers;
  PerLayerEmbeddingWeights weights;
  // Quantized, every layer's part of a token is a row with scales of its own.
  const std::string table = "embed_tokens_per_layer.weight";
  const int64_t ids = config.vocab_size_per_layer_input;
  weights.vocab_size = ids;
  weights.embed_tokens_per_layer = IsPacked(tensors.Find(table).dtype)
                                       ? tensors.SingleRows(table, ids * layers, width)
                                       : tensors.Table(table, ids, layers * width);
  const bool whole_tiles = width % packed::kTileRows == 0;  // of each layer
  const std::string name = "per_layer_model_projection.weight";
  const TensorView projection = whole_tiles
                                    ? tensors.Tiles(name, layers * width, config.hidden_size)
                                    : tensors.Matrix(name, layers * width, config.hidden_size);
  for (int64_t layer = 0; layer < layers; ++layer) {
    weights.per_layer_model_projection.push_back(
        projection.Rows(layer * width, (layer + 1) * width));
  }
  weights.per_layer_projection_norm = tensors.Vector("per_layer_projection_norm.weight", width);
  return weights;
}

// `sizes` has hidden_size, vocab_size, vocab_offset and rms_norm_eps of the modality.
template <class Sizes>
MultimodalEmbedder LoadEmbedder(const Tensors& tensors, const Sizes& sizes,
                                int64_t text_hidden_size) {
  MultimodalEmbedder embedder;
  embedder.vocab_offset = static_cast<int32_t>(sizes.vocab_offset);
  embedder.eps = static_cast<float>(sizes.rms_norm_eps);
  embedder.embedding = tensors.Matrix("embedding.weight", sizes.vocab_size, sizes.hidden_size);
  embedder.hard_embedding_norm = tensors.Vector("hard_embedding_norm.weight", sizes.hidden_size);
  embedder.soft_embedding_norm = tensors.Vector("soft_embedding_norm.weight", sizes.hidden_size);
  embedder.embedding_projection =
      tensors.Tiles("embedding_projection.weight", text_hidden_size, sizes.hidden_size);
  return embedder;
}

void LoadModalities(const Checkpoint& checkpoint, const ModelConfig& config,
                    EmbeddingWeights& weights) {
  const Tensors tensors(checkpoint, "model.");
  const int64_t hidden = config.text.hidden_size;
  const auto wanted = [&](const std::optional<ModalityConfig>& modality, const std::string& name) {
    // A checkpoint of the text model alone may carry the whole model's configuration.
    return modality && (tensors.Has("embed_" + name + ".embedding.weight") ||
                        HasPart(checkpoint, "model." + name + "_tower."));
  };
  if (wanted(config.vision, "vision")) {
    weights.vision = LoadEmbedder(tensors.Below("embed_vision"), *config.vision, hidden);
    weights.vision->feature_scale =
        static_cast<float>(std::sqrt(static_cast<double>(config.vision->hidden_size)));
  }
  if (wanted(config.audio, "audio")) {
    weights.audio = LoadEmbedder(tensors.Below("embed_audio"), *config.audio, hidden);
  }
}

// The head is embed_tokens unless the configuration unties it; a head that is stored all the same
// is used, as the reference uses it where it differs.
TensorView LoadHead(const Checkpoint& checkpoint, const ModelConfig& config,
                    const TensorView& embed_tokens) {
  constexpr char kName[] = "lm_head.weight";
  if (config.tie_word_embeddings && !checkpoint.Has(kName)) return embed_tokens;
  return checkpoint.Get(kName, {config.text.vocab_size, config.text.hidden_size},
                        Checkpoint::Forms::kFloatOrTiles);
}

}  // namespace

DecoderWeights DecoderWeights::Load(const Checkpoint& checkpoint, const ModelConfig& config) {
  const TextConfig& text = config.text;
  const std::optional<std::string> prefix = TextPrefix(checkpoint);
  if (!prefix) {
    throw Error(ErrorKind::kModel, checkpoint.directory().string() +
                                       ": no tensor 'model.language_model.embed_tokens.weight' or "
                                       "'model.embed_tokens.weight'; is this a Gemma 3n model?");
  }
  const Tensors tensors(checkpoint, *prefix);
  const int64_t hidden = text.hidden_size;
  DecoderWeights weights;
  weights.config = text;
  weights.embedding.embed_tokens = tensors.Tiles("embed_tokens.weight", text.vocab_size, hidden);
  LoadModalities(checkpoint, config, weights.embedding);
  weights.per_layer = LoadPerLayer(tensors, text);
  checkpoint.AdviseRandom(weights.per_layer.embed_tokens_per_layer);
  weights.per_layer.give_back = [&checkpoint, name = *prefix + "embed_tokens_per_layer.weight"] {
    checkpoint.GiveBack(name);
  };
  for (int64_t k = 0; k + 1 < text.altup_num_inputs; ++k) {
    const std::string name = std::to_string(k) + ".weight";
    weights.altup_projections.push_back(tensors.Tiles("altup_projections." + name, hidden, hidden));
    weights.altup_unembed_projections.push_back(
        tensors.Tiles("altup_unembed_projections." + name, hidden, hidden));
  }
  for (int layer = 0; layer < text.num_hidden_layers; ++layer) {
    const Tensors below = tensors.Below("layers." + std::to_string(layer));
    weights.layers.push_back(LoadLayer(below, text, layer));
  }
  weights.norm = tensors.Vector("norm.weight", hidden);
  weights.lm_head = LoadHead(checkpoint, config, weights.embedding.embed_tokens);
  return weights;
}

}  // namespace gemma3n
