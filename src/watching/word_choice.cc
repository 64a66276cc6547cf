// SPDX-License-Identifier: Apache-2.0
#include "watching/word_choice.h"

#include <cctype>
#include <cmath>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int kLookedAt = 50;  // tokens; one that is less likely than so many others says nothing

// The ids that an answer with this word may begin with.
std::set<int32_t> FirstIds(const Engine& engine, const std::string& word) {
  std::string small = word, large = word, title = word;
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    if (byte >= 0x80) continue;
    small[i] = static_cast<char>(std::tolower(byte));
    large[i] = static_cast<char>(std::toupper(byte));
    title[i] = i == 0 ? large[i] : small[i];
  }
  std::set<int32_t> ids;
  for (const std::string& form : {word, small, large, title}) {
    for (const char* before : {"", " "}) {
      const auto tokens = engine.Tokenize(before + form, /*parse_control_tokens=*/false,
                                          /*add_bos=*/false);
      if (!tokens.empty()) ids.insert(tokens.front());
    }
  }
  return ids;
}

double Sum(const TokenLogprob& token, const std::set<int32_t>& ids) {
  double sum = 0;
  bool counted = false;
  for (const auto& [id, logprob] : token.likeliest) {
    if (ids.count(id) > 0) sum += std::exp(logprob);
    counted = counted || id == token.id;
  }
  if (!counted && ids.count(token.id) > 0) sum += std::exp(token.logprob);
  return sum;
}

}  // namespace

WordChoice::WordChoice(const Engine& engine, const std::string& first, const std::string& second)
    : first_(FirstIds(engine, first)), second_(FirstIds(engine, second)) {
  // A token that both may begin with, such as a space of its own, tells nothing.
  for (auto id = first_.begin(); id != first_.end();) {
    id = second_.erase(*id) > 0 ? first_.erase(id) : std::next(id);
  }
  if (first_.empty() || second_.empty()) {
    throw Error(ErrorKind::kUsage, "'" + first + "' or '" + second +
                                       "': expected two words that begin with different tokens");
  }
}

GenerateOptions WordChoice::Options(GenerateOptions options) {
  options.max_tokens = 1;
  options.stop.clear();
  options.constraint = nullptr;
  options.top_logprobs = kLookedAt;
  options.sampling.temperature = 0;
  options.speculation = Speculation::kOff;
  options.elastic.reset();
  return options;
}

std::optional<double> WordChoice::ProbabilityOfFirst(const GenerateResult& result) const {
  if (result.logprobs.empty()) return std::nullopt;
  const double first = Sum(result.logprobs.front(), first_);
  const double second = Sum(result.logprobs.front(), second_);
  if (!(first + second > 0)) return std::nullopt;
  return first / (first + second);
}

}  // namespace gemma3n
