// SPDX-License-Identifier: Apache-2.0
// The tokens of an answer, one by one or, with speculation, several at a time: guesses are computed
// together, and those hold that the sampler would have chosen. Since logits do not depend on how
// positions are put together, and every token is chosen by the same sampler from the same logits,
// an answer is the same with and without (speculative decoding, arXiv 2211.17192, with draft and
// target drawing alike).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/speculation_policy.h"
#include "model/decoder.h"

namespace gemma3n {

class NextTokens {
 public:
  struct Token {
    int32_t id;
    std::span<const float> logits;  // it was chosen by; valid until the next call
  };
  struct Parts {
    const DecoderWeights& weights;
    Decoder& decoder;
    DecoderState& state;
    Sampler& sampler;
  };
  // `draft` is the size that guesses; ShareLowerLayers with the decoder's. `draft_sampler` is as
  // the sampler.
  NextTokens(const Parts& parts, Speculation speculation, const SubmodelShape& draft,
             const Sampler& draft_sampler);

  // Computes the last id of `seen` (prompt and answer so far), for which the state has room, and
  // chooses what follows: 1 to `most` tokens, which are added to `seen`. All but the last of them
  // have been computed, too.
  std::span<const Token> After(std::vector<int32_t>& seen, int64_t most);

  // The same for logits of that id that were computed elsewhere, without speculation: one token.
  std::span<const Token> Choose(std::span<const float> logits, std::vector<int32_t>& seen);

  int64_t guessed() const { return guessed_; }
  int64_t accepted() const { return accepted_; }

 private:
  void Plain(std::vector<int32_t>& seen);
  void Check(std::span<const int32_t> guesses, size_t rows, std::vector<int32_t>& seen);
  void LookUp(std::span<const int32_t> guesses, std::vector<int32_t>& seen);
  void Drafted(int64_t length, std::vector<int32_t>& seen);
  std::span<float> Row(size_t row) { return std::span(logits_).subspan(row * vocab_, vocab_); }

  Parts parts_;
  Submodel draft_;
  Sampler draft_sampler_;
  SpeculationPolicy policy_;
  Draft kept_;
  size_t vocab_;
  std::vector<float> logits_, draft_logits_;
  std::vector<int32_t> guesses_;
  std::vector<Token> tokens_;
  int64_t guessed_ = 0, accepted_ = 0;
};

// What followed the last tokens of `seen` where they stood before, the latest place first: at most
// `most` ids. At least two tokens must agree.
std::span<const int32_t> LookUpGuesses(std::span<const int32_t> seen, size_t most);

// A size that guesses for `shape`: its own layers up to the last one that writes keys and values,
// the others a quarter as wide.
SubmodelShape DefaultDraft(const DecoderWeights& weights, const SubmodelShape& shape);

}  // namespace gemma3n
