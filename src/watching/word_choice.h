// SPDX-License-Identifier: Apache-2.0
// Which of two words a model would answer with, by the log-probabilities of their first tokens: no
// sampled text is read, and no id is known beforehand.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "gemma3n/engine.h"

namespace gemma3n {

class WordChoice {
 public:
  // The words in any case of ASCII letters, with and without a space before. Throws Error (kUsage)
  // when the model's tokens do not tell them apart.
  WordChoice(const Engine& engine, const std::string& first, const std::string& second);

  // How to ask: one token, its likeliest others beside it.
  static GenerateOptions Options(GenerateOptions options);
  // [0, 1], of the first word as against the second; nullopt where the model would say neither.
  std::optional<double> ProbabilityOfFirst(const GenerateResult& result) const;

 private:
  std::set<int32_t> first_, second_;
};

}  // namespace gemma3n
