// SPDX-License-Identifier: Apache-2.0
// What a model's files hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "gemma3n/content.h"
#include "gemma3n/error.h"

namespace gemma3n {

struct LayerReport {
  bool sliding;
  int64_t intermediate_size;
  double sparsity;  // 0: dense
  int kv_source;    // the layer whose keys and values it reads; itself where it has its own
};

// What the tensors of one kind are stored in.
struct TensorClassReport {
  std::string name;    // "attention", "feed-forward", "norms" ...
  std::string dtypes;  // "Q4_0, Q6_K"
  int64_t bytes;
};

struct ModelReport {
  std::string kind;  // "Gemma 3n E2B", "Gemma 3n E4B", or "a Gemma 3n of another size"
  std::string dtypes;
  std::vector<std::string> files;  // of a GGUF model: what each file says of itself, a line each
  std::vector<TensorClassReport> classes;
  int64_t vocab_size, hidden_size, num_attention_heads, num_key_value_heads, head_dim;
  int64_t sliding_window, max_context;
  bool sees, hears;
  // How the next token is chosen where a request says nothing (generation_config.json); temperature
  // 0 takes the likeliest, top_k 0 is all.
  double temperature = 0, top_p = 1;
  int64_t top_k = 0;
  std::vector<LayerReport> layers;

  // Parameters by part.
  int64_t core = 0;  // the decoder's layers and projections, without dead weights
  int64_t token_embedding = 0;
  int64_t per_layer_embedding = 0;  // read by rows, never resident as a whole
  int64_t dead = 0;                 // keys and values of layers that share others'
  int64_t vision = 0, audio = 0, embedders = 0;
  int64_t total = 0;

  int64_t file_bytes = 0;          // of all tensors
  int64_t resident_bytes = 0;      // weights that a text answer touches
  int64_t cache_bytes_per_1k = 0;  // keys and values of 1024 positions

  int64_t tensors = 0;    // that the files hold
  bool read_all = false;  // every value was read: not when the callback cancelled

  // Empty where all is as it should be.
  std::vector<std::string> missing, surplus, misshapen, not_finite;
  std::vector<std::string> damaged;  // of a packed file: bytes that do not have their checksum
};

// Reads the headers; with `read_all` also every value, to find NaN and infinities. Throws Error
// (kModel) when there is nothing to report on.
// `projector` is the second file of a GGUF model, or empty.
ModelReport Inspect(const std::filesystem::path& model, bool read_all,
                    const ProgressCallback& on_progress = nullptr,
                    const std::filesystem::path& projector = {});

}  // namespace gemma3n
