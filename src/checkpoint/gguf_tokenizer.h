// SPDX-License-Identifier: Apache-2.0
// The tokenizer that a GGUF file holds (tokenizer.ggml.*: pieces, what they are, and scores) in the
// form that Hugging Face keeps it in, a tokenizer.json.
//
// GGUF keeps SentencePiece's scores: of two neighbours those merge first whose joined piece has the
// best score. Byte-pair merging wants a list of merges in their order. Every way to cut a piece
// into two others is a merge, ranked by the piece's score; of equals, the longest left part first.
// That is how Hugging Face's own converter makes a tokenizer.json from Gemma's tokenizer.model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "checkpoint/gguf.h"

namespace gemma3n {

class GgufTokenizer {
 public:
  // Throws Error (kModel) naming the file, the key, the piece, expected and found. `gguf` must
  // outlive this.
  explicit GgufTokenizer(const Gguf& gguf);

  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }
  std::optional<int32_t> Find(std::string_view piece) const;
  const std::string& Piece(int32_t id) const { return pieces_[static_cast<size_t>(id)]; }
  // The id under a key such as "tokenizer.ggml.bos_token_id".
  std::optional<int32_t> IdOf(const std::string& key) const;

  std::string TokenizerJson() const;

 private:
  struct Merge {
    int32_t left, right, result;
    double score;
    uint32_t left_characters, right_characters;
  };
  void ReadPieces();
  void CheckBytes() const;
  [[noreturn]] void Fail(size_t id, const std::string& what) const;
  bool MayMerge(int32_t id) const;
  std::vector<Merge> DerivedMerges() const;
  void AddMerges(std::string& json) const;
  void AddAddedTokens(std::string& json) const;

  const Gguf& gguf_;
  std::vector<std::string> pieces_;
  std::vector<gguf::PieceType> types_;
  std::vector<double> scores_;  // empty where the file lists merges
  std::unordered_map<std::string_view, int32_t, SeededHash, std::equal_to<>> ids_;
};

}  // namespace gemma3n
