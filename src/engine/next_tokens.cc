// SPDX-License-Identifier: Apache-2.0
#include "engine/next_tokens.h"

#include <algorithm>
#include <chrono>

namespace gemma3n {

std::span<const int32_t> LookUpGuesses(std::span<const int32_t> seen, size_t most) {
  constexpr size_t kLongest = 4, kShortest = 2;  // tokens that must agree
  for (size_t length = kLongest; length >= kShortest; --length) {
    if (seen.size() <= length) continue;
    const std::span<const int32_t> last = seen.last(length);
    for (size_t at = seen.size() - length; at-- > 0;) {
      if (!std::equal(last.begin(), last.end(), seen.begin() + at)) continue;
      const size_t from = at + length;
      return seen.subspan(from, std::min(most, seen.size() - from));
    }
  }
  return {};
}

SubmodelShape DefaultDraft(const DecoderWeights& weights, const SubmodelShape& shape) {
  const Submodel whole(weights, shape);
  SubmodelShape draft = shape;
  for (size_t place = whole.last_key_value_place + 1; place < draft.layers.size(); ++place) {
    const int64_t step = WidthStep(weights.layers[draft.layers[place]].feed_forward);
    int64_t& width = draft.intermediate_size[place];
    width = std::min(width, std::max(step, width / 4 / step * step));
  }
  return draft;
}

NextTokens::NextTokens(const Parts& parts, Speculation speculation, const SubmodelShape& draft,
                       const Sampler& draft_sampler)
    : parts_(parts),
      draft_(parts.weights, draft),
      draft_sampler_(draft_sampler),
      policy_(speculation),
      kept_(parts.weights.config, SpeculationPolicy::kMostGuesses),
      vocab_(static_cast<size_t>(parts.decoder.vocab_size())) {
  const size_t rows = speculation == Speculation::kOff ? 1 : SpeculationPolicy::kMostGuesses + 1;
  logits_.resize(rows * vocab_);
  if (rows > 1) draft_logits_.resize(vocab_);
}

std::span<const NextTokens::Token> NextTokens::After(std::vector<int32_t>& seen, int64_t most) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  tokens_.clear();
  // Guesses are computed, too: there must be room for them.
  const int64_t room = parts_.state.context_length() - parts_.state.position() - 1;
  const int64_t limit = std::min({most - 1, room, SpeculationPolicy::kMostGuesses});
  const auto within = [&](SpeculationPolicy::Way way) {
    return std::min(limit, policy_.Length(way));
  };
  const auto found = limit < 1 ? std::span<const int32_t>()
                               : LookUpGuesses(seen, within(SpeculationPolicy::kLookup));
  SpeculationPolicy::Way way = policy_.Choose(!found.empty());
  if (limit < 1) way = SpeculationPolicy::kPlain;
  const int64_t guessed_before = guessed_;
  switch (way) {
    case SpeculationPolicy::kPlain:
      Plain(seen);
      break;
    case SpeculationPolicy::kLookup:
      guesses_.assign(found.begin(), found.end());  // `seen` grows
      LookUp(guesses_, seen);
      break;
    case SpeculationPolicy::kDraft:
      Drafted(within(way), seen);
      break;
  }
  policy_.Record(way, static_cast<int64_t>(tokens_.size()), guessed_ - guessed_before,
                 std::chrono::duration<double>(Clock::now() - begin).count());
  return tokens_;
}

void NextTokens::Plain(std::vector<int32_t>& seen) {
  parts_.decoder.Step(parts_.state, seen.back(), Row(0));
  Choose(Row(0), seen);
}

std::span<const NextTokens::Token> NextTokens::Choose(std::span<const float> logits,
                                                      std::vector<int32_t>& seen) {
  seen.push_back(parts_.sampler.Sample(logits, seen));
  tokens_.assign(1, {seen.back(), logits});
  return tokens_;
}

// Chooses by the logits of rows as long as guesses hold; takes back what was computed beyond.
void NextTokens::Check(std::span<const int32_t> guesses, size_t rows, std::vector<int32_t>& seen) {
  guessed_ += static_cast<int64_t>(guesses.size());
  for (size_t row = 0; row < rows; ++row) {
    const int32_t id = parts_.sampler.Sample(Row(row), seen);
    seen.push_back(id);
    tokens_.push_back({id, Row(row)});
    if (row >= guesses.size() || id != guesses[row]) break;
    ++accepted_;
  }
  parts_.state.Rewind(parts_.state.position() - static_cast<int64_t>(rows - tokens_.size()));
}

void NextTokens::LookUp(std::span<const int32_t> guesses, std::vector<int32_t>& seen) {
  std::vector<DecoderInput> inputs = {{.id = seen.back()}};
  for (int32_t guess : guesses) inputs.push_back({.id = guess});
  parts_.decoder.Prefill(parts_.state, inputs, LogitsWanted::kAll,
                         std::span(logits_).first(inputs.size() * vocab_));
  Check(guesses, inputs.size(), seen);
}

void NextTokens::Drafted(int64_t length, std::vector<int32_t>& seen) {
  kept_.Clear();
  guesses_.clear();
  draft_sampler_.DrawAs(parts_.sampler);
  const size_t before = seen.size();
  while (static_cast<int64_t>(guesses_.size()) < length) {
    parts_.decoder.DraftStep(parts_.state, draft_, seen.back(), kept_, draft_logits_);
    seen.push_back(draft_sampler_.Sample(draft_logits_, seen));
    guesses_.push_back(seen.back());
  }
  seen.resize(before);
  const size_t rows = static_cast<size_t>(kept_.rows());
  parts_.decoder.FinishDraft(parts_.state, kept_, std::span(logits_).first(rows * vocab_));
  Check(guesses_, rows, seen);
}

}  // namespace gemma3n
