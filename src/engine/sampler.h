// SPDX-License-Identifier: Apache-2.0
// Logits -> the next token. The order is the reference's: penalties and biases, then what a
// constraint allows, then temperature, top-k, top-p, min-p, typical-p, then one draw.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n {

class ConstraintState;

// All settings decided and in range.
struct SamplerSettings {
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double typical_p = 1;
  double repetition_penalty = 1;
  int64_t repetition_window = -1;
  double presence_penalty = 0, frequency_penalty = 0;
  std::vector<std::pair<int32_t, double>> logit_bias = {};
  uint64_t seed = 0;
};

class Sampler {
 public:
  // `banned` ids are never chosen. Throws Error (kRequest) when ids are outside of the vocabulary
  // or a bias is no number.
  Sampler(const SamplerSettings& settings, int64_t vocab_size, std::span<const int32_t> banned);

  // Of the ids that are seen, so many are the prompt's: presence and frequency are the answer's.
  void BeginAnswer(size_t prompt_tokens) { prompt_tokens_ = prompt_tokens; }
  // From here on only tokens are chosen that `constraint`, which is borrowed, allows where it
  // stands. Null: all.
  void Follow(ConstraintState* constraint) { constraint_ = constraint; }

  // `seen` are the ids of the prompt and the answer so far, for the penalties. Throws Error
  // (kInternal) when a logit is not a number, (kRequest) when every token is banned.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> seen);

  // Draws from here on as `other` will.
  void DrawAs(const Sampler& other) { random_state_ = other.random_state_; }

  // Log-probabilities under plain softmax: of `id`, and of the `count` likeliest.
  static TokenLogprob Logprob(std::span<const float> logits, int32_t id, int count);

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  double NextUniform();  // in [0, 1), the same on every machine
  void Adjust(std::span<const float> logits, std::span<const int32_t> seen);
  void PenalizeRepetition(std::span<const int32_t> seen);
  void PenalizePresence(std::span<const int32_t> answer);
  int32_t Likeliest() const;
  void GatherCandidates();
  size_t KeepTopP(size_t count);
  size_t KeepTypical(size_t count);

  SamplerSettings settings_;
  std::vector<int32_t> banned_;
  std::vector<float> adjusted_;  // [vocab]
  std::vector<Candidate> candidates_;
  std::vector<double> probabilities_;
  std::vector<bool> penalized_;
  size_t prompt_tokens_ = 0;
  ConstraintState* constraint_ = nullptr;
  uint64_t random_state_;
};

}  // namespace gemma3n
