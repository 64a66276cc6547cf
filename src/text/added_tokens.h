// SPDX-License-Identifier: Apache-2.0
// Finds the tokens that are cut out of a text whole, before byte-pair merging: control tokens and
// the pieces that a checkpoint lists beside its vocabulary (runs of newlines, tags).
//
// The match is leftmost, then longest, as the Aho-Corasick search of Hugging Face `tokenizers`
// reports it. The tokens are kept sorted; a match narrows the range of those that still fit, byte
// by byte, so that no automaton is needed: texts rarely get past the second byte.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n {

class AddedTokenMatcher {
 public:
  struct Match {
    size_t begin;
    size_t bytes;
    int32_t id;
  };

  // `content` is not empty and new to this matcher; call Seal after the last.
  void Add(std::string content, int32_t id) { tokens_.push_back({std::move(content), id}); }
  void Seal();

  bool empty() const { return tokens_.empty(); }
  // The tokens' ids, by the order of their bytes once sealed.
  std::vector<int32_t> Ids() const;
  // The longest match that begins at `at`, a place in the text.
  std::optional<Match> LongestAt(std::string_view text, size_t at) const;
  // The first match at or after `from`.
  std::optional<Match> Next(std::string_view text, size_t from) const;

 private:
  struct Token {
    std::string content;
    int32_t id;
  };
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  Range Narrow(Range range, size_t depth, uint8_t byte) const;

  std::vector<Token> tokens_;          // sorted by content
  std::array<Range, 256> by_first_{};  // tokens that begin with a byte
};

}  // namespace gemma3n
