// SPDX-License-Identifier: Apache-2.0
// How well a model foresees given text, and how far its predictions are from another model's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n {

// Text to read: plain text where there are no turns, else the answer to a conversation.
struct Passage {
  std::string text;
  std::vector<Turn> turns;  // ends with a user's
  std::string answer;       // what the model is held to, and the end of its turn
};

// Made one at a time, so that not all pictures and sounds are in memory at once.
struct Passages {
  int64_t count = 0;
  std::function<Passage(int64_t)> at;
};

// Plain text is cut into windows of `window` positions, <bos> among them, each `stride` after the
// one before. Every token is scored once, in the first window that holds it: beyond the first
// window that is with window - stride positions before it, or more. Answers are scored behind their
// whole prompt.
struct WindowOptions {
  int64_t window = 1024;  // 2 to what the model was made for
  int64_t stride = 512;   // 1 to window - 1
  int64_t image_size = 0;
};

struct PerplexityOptions {
  WindowOptions windows;
  // Logits that were saved by this, of the same tokens; empty: none.
  std::filesystem::path reference;
  std::filesystem::path save_logits;  // a safetensors file (docs/quantization.md); empty: none
};

// Of the model's distribution from the reference's, in nats: sum of p (log p - log q) over the
// whole vocabulary, at each scored position.
struct DivergenceReport {
  double mean = 0, median = 0, most_of_99_percent = 0, most = 0;
  double standard_error = 0;  // of the mean
  double same_likeliest = 0;  // share of positions at which both hold one token likeliest
  double reference_perplexity = 0;
};

struct PerplexityReport {
  int64_t tokens = 0;                  // scored
  double negative_log_likelihood = 0;  // mean, nats
  double standard_error = 0;           // of that mean
  double perplexity = 0;               // e to its power
  std::optional<DivergenceReport> divergence;
};

}  // namespace gemma3n
