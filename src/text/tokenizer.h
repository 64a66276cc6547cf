// SPDX-License-Identifier: Apache-2.0
// Text -> token ids and back, from a tokenizer.json in Gemma's form: byte-pair merging with byte
// fallback, spaces written as U+2581, no splitting into words beforehand. The ids equal those of
// Hugging Face `tokenizers`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/json_value.h"
#include "text/added_tokens.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace gemma3n {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin;
  size_t end;
};

// Built once while loading, then only read; any number of threads may read.
class Tokenizer {
 public:
  // `file` is a parsed tokenizer.json. Throws Error (kModel) naming what is not as in Gemma's.
  static std::unique_ptr<Tokenizer> Parse(const JsonValue& file);

  // The same tokenizer in a form that loads in a fraction of the time (docs/format.md), and the
  // name of the file that packed models hold it in.
  static constexpr const char* kCompiledFile = "tokenizer.compiled";
  std::string Compiled() const;
  // `name` is the file's, for messages. Throws Error (kModel) where the bytes are not such a form.
  static std::unique_ptr<Tokenizer> ReadCompiled(std::string_view bytes, const std::string& name);

  enum class ControlTokens {
    kAsText,  // "<start_of_turn>" in the text is those 15 characters
    kParse,   // it is the control token
  };
  // No token is put before or after. Bytes that are not UTF-8 count as U+FFFD, one for each maximal
  // broken part.
  std::vector<int32_t> Encode(std::string_view text, ControlTokens mode) const;
  // Control tokens are parsed, except where they touch one of the ranges, which are in order.
  std::vector<int32_t> Encode(std::string_view text, std::span<const TextRange> plain) const;

  // The text of ids, as the reference decodes them; runs of byte tokens that are not UTF-8 become
  // one U+FFFD for each byte. Ids outside of the vocabulary count as nothing.
  std::string Decode(std::span<const int32_t> ids, bool skip_control_tokens) const;

  std::optional<int32_t> Find(std::string_view piece) const { return vocabulary_.Find(piece); }
  std::string_view Piece(int32_t id) const { return vocabulary_.Piece(id); }
  bool IsControl(int32_t id) const {
    return id >= 0 && id < static_cast<int32_t>(control_.size()) && control_[id];
  }
  // The byte that a piece such as "<0x0A>" stands for.
  std::optional<uint8_t> ByteOf(int32_t id) const;
  int64_t vocab_size() const { return vocabulary_.size(); }

 private:
  class WordEncoder;
  Tokenizer() = default;
  void ParseModel(const JsonValue& model);
  void ParseMerges(const JsonValue& merges);
  void ParseAddedTokens(const JsonValue& added);
  std::string IndexCharacters();
  void AddJoin(std::string_view left, std::string_view right);
  int32_t SymbolOf(std::string_view character) const;
  void EncodeSpan(std::string_view text, WordEncoder& words, std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  size_t merge_count_ = 0;
  PairSet joins_;  // pairs of characters that some merge brings together
  AddedTokenMatcher all_added_, plain_added_;
  std::vector<bool> control_;         // [vocab]
  std::vector<int32_t> bmp_symbols_;  // [65536] ids of single characters, or -1
  int32_t byte_ids_[256];
  int32_t space_id_ = -1;  // of U+2581
};

// The text of one piece that is no byte: U+2581 is a space again.
void AppendPieceText(std::string_view piece, std::string& text);

}  // namespace gemma3n
