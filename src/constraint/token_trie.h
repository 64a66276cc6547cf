// SPDX-License-Identifier: Apache-2.0
// The tokens of a vocabulary by their bytes, so that those a place admits are found in one walk
// that leaves out what begins wrongly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "constraint/walker.h"

namespace gemma3n {

// Some ids of a vocabulary.
struct TokenMask {
  // Few ids are listed, in order; many are bits.
  static constexpr size_t kFew = 1024;
  std::vector<int32_t> few;
  std::vector<uint64_t> bits;  // [vocab / 64], empty where they are few
  size_t count = 0;

  bool Has(int32_t id) const;
  size_t Bytes() const { return few.capacity() * sizeof(int32_t) + bits.size() * sizeof(uint64_t); }
  // Every logit of another token becomes minus infinity.
  void Apply(std::span<float> logits) const;
};

// Built once, then only read; any number of threads may read.
class TokenTrie {
 public:
  // `bytes` [vocab_size]: the text of each token, empty for those that are never allowed. `ends`
  // are the tokens that end an answer, allowed where the text may end.
  TokenTrie(std::vector<std::string> bytes, std::span<const int32_t> ends);

  // The tokens that can be next. The walker may forget all places but `kept`, which may get another
  // number.
  TokenMask Allowed(Walker& walker, Walker::Place place, Walker::Place& kept) const;

  std::string_view BytesOf(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }
  bool IsEnd(int32_t id) const;
  size_t vocab_size() const { return bytes_.size(); }
  uint32_t longest() const { return longest_; }  // bytes of a token
  uint64_t number() const { return number_; }    // no other trie of this process has it

 private:
  // In the order of a walk from each node to its first child.
  struct Node {
    uint32_t next;         // where the walk goes on without what is below this one
    uint32_t first_token;  // in tokens_; they end where the next node's begin
    uint16_t depth;        // 1: the first byte
    uint8_t byte;
  };
  std::vector<std::string> bytes_;
  std::vector<int32_t> ends_, tokens_;
  std::vector<Node> nodes_;
  uint32_t longest_ = 0;
  uint64_t number_;
};

}  // namespace gemma3n
