// SPDX-License-Identifier: Apache-2.0
// The tokens of one answer as they are chosen -> its text, as far as stop texts let it through,
// log-probabilities, and why it ended.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/next_tokens.h"
#include "engine/sampler.h"
#include "engine/stop.h"
#include "gemma3n/content.h"
#include "text/detokenizer.h"

namespace gemma3n {

class Answer {
 public:
  // `options`, `on_text` and `result`, which has the prompt's ids, are borrowed. Times are counted
  // from `begin`.
  Answer(LoadedModel& model, const GenerateOptions& options, const TextCallback& on_text,
         std::chrono::steady_clock::time_point begin, GenerateResult& result);
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  Sampler& sampler() { return sampler_; }
  std::vector<int32_t>& seen() { return seen_; }  // the prompt and the tokens so far

  // Takes a token that was chosen; whether the answer goes on after it.
  bool Take(const NextTokens::Token& token);
  // Gives the text that was held back, unless a stop text has ended the answer.
  void Finish();

 private:
  bool Give(const std::string& text);

  const GenerateOptions& options_;
  const TextCallback& on_text_;
  std::chrono::steady_clock::time_point begin_;
  GenerateResult& result_;
  const std::vector<int32_t>& ends_;  // tokens that end a turn
  Sampler sampler_;
  StopMatcher stop_;
  Detokenizer detokenizer_;
  std::unique_ptr<ConstraintState> constraint_;  // null: any text
  std::vector<int32_t> seen_;
};

// Options with the model's defaults filled in. Throws Error (kRequest) for values out of range.
SamplerSettings DecideSampling(const SamplingOptions& options, const GenerationConfig& defaults);
// Ids that an answer never holds: placeholders and marks of media.
std::vector<int32_t> BannedIds(const ModelConfig& config);

}  // namespace gemma3n
