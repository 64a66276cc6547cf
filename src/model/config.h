// SPDX-License-Identifier: Apache-2.0
// The sizes, ids and per-layer patterns of a model, read from config.json and checked once.
// Fields and their defaults are those of Gemma3nTextConfig and Gemma3nConfig in the reference; both
// the spellings of the first release (rope_theta, one intermediate_size) and those of re-saved
// files (rope_parameters, lists) are read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace gemma3n {

struct TextConfig {
  int64_t vocab_size;                  // rows of embed_tokens and of the logits
  int64_t vocab_size_per_layer_input;  // rows of the per-layer table; later ids use row 0
  int64_t hidden_size;
  int64_t hidden_size_per_layer_input;  // per layer
  int64_t num_hidden_layers;
  int64_t num_attention_heads;
  int64_t num_key_value_heads;
  int64_t head_dim;
  int64_t sliding_window;           // positions a sliding layer sees, its own included
  int64_t max_position_embeddings;  // the longest context the model was made for
  int64_t num_kv_shared_layers;     // the last layers, which read keys and values of lower ones
  int64_t altup_num_inputs;
  int64_t laurel_rank;
  std::vector<int64_t> intermediate_size;           // [layers]
  std::vector<double> activation_sparsity_pattern;  // [layers], 0 where dense
  std::vector<bool> sliding;                        // [layers]
  double rope_theta;                                // of full layers
  double rope_local_base_freq;                      // of sliding layers
  float rms_norm_eps;
  float final_logit_softcapping;  // 0: none
  bool altup_correct_scale;

  bool is_sliding(int64_t layer) const { return sliding[layer]; }
  bool shares_kv(int64_t layer) const { return layer >= num_hidden_layers - num_kv_shared_layers; }
  // The layer whose keys and values this layer reads: itself, or the last of its kind below the
  // sharing ones.
  int kv_source_layer(int layer) const;

  // `text` is the text_config object, or a whole flat config. Throws Error (kModel) naming the
  // field.
  static TextConfig Parse(const JsonValue& text);
};

// What the decoder knows of a modality.
struct ModalityConfig {
  int64_t hidden_size;   // width of the encoder's features
  int64_t vocab_size;    // rows of the modality's own embedding table
  int64_t vocab_offset;  // the id of its first row
  double rms_norm_eps;
};

struct ModelConfig {
  TextConfig text;
  // Of whole models, also where the file says null or nothing: the reference then takes the
  // defaults of its classes. Whether there is an encoder, the tensors say.
  std::optional<ModalityConfig> vision, audio;

  // Roles of tokens, and how many soft tokens a picture and a clip take.
  int32_t boi_token_id, eoi_token_id, image_token_id;
  int32_t boa_token_id, eoa_token_id, audio_token_id;
  int64_t vision_soft_tokens_per_image, audio_soft_tokens_per_image;
  std::vector<int32_t> eos_token_ids;
  int32_t bos_token_id, pad_token_id;
  bool tie_word_embeddings;  // the head is embed_tokens

  static ModelConfig Load(const Checkpoint& checkpoint) { return Parse(checkpoint.config()); }
  // `root` is a config.json.
  static ModelConfig Parse(const JsonValue& root);
};

// generation_config.json: how the model's makers want it sampled.
struct GenerationConfig {
  bool do_sample = false;
  double temperature = 1.0;
  int64_t top_k = 0;  // 0: all
  double top_p = 1.0;
  std::vector<int32_t> eos_token_ids;

  // Fields that are missing, and a missing file, take the reference's defaults, and the ids of
  // `config`.
  static GenerationConfig Load(const Checkpoint& checkpoint, const ModelConfig& config);
  static GenerationConfig Parse(const JsonValue& file, const ModelConfig& config);
};

}  // namespace gemma3n
