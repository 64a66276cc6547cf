// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <unordered_map>

#include "base/hash.h"
#include "base/utf8.h"
#include "gemma3n/error.h"
#include "text/merge_queue.h"

namespace gemma3n {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";
constexpr int64_t kMostPieces = 1 << 20;
constexpr size_t kMostMerges = 4u << 20;
constexpr size_t kMostPieceBytes = 1024;
// Above this many symbols a word is merged with a queue instead of by looking at all pairs.
constexpr size_t kLongWord = 48;
// Words that were met are kept while one text is encoded, up to this many.
constexpr size_t kMostCachedWords = 1 << 16;

void Only(const JsonValue& value, const std::string& wanted, bool holds) {
  if (!holds) value.Fail(wanted + ", as in Gemma's tokenizers");
}

// The replacement of spaces by U+2581 must be all that is done to a text beforehand.
void CheckNormalizer(const JsonValue& normalizer) {
  const JsonValue steps =
      normalizer["type"].StringOr("") == "Sequence" ? normalizer["normalizers"] : JsonValue();
  const JsonValue replace = steps.IsArray() && steps.size() == 1 ? steps.Items()[0] : normalizer;
  Only(normalizer, "one step that replaces \" \" by U+2581",
       replace["type"].StringOr("") == "Replace" &&
           replace["pattern"]["String"].StringOr("") == " " &&
           replace["content"].StringOr("") == kSpaceMark);
}

// After that replacement no space is left, so that splitting at spaces does nothing.
void CheckPreTokenizer(const JsonValue& pre) {
  Only(pre, "none, or a split at \" \"",
       pre.IsNull() ||
           (pre["type"].StringOr("") == "Split" && pre["pattern"]["String"].StringOr("") == " "));
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::Parse(const JsonValue& file) {
  if (!file.IsObject()) file.Fail("a tokenizer.json");
  CheckNormalizer(file["normalizer"]);
  CheckPreTokenizer(file["pre_tokenizer"]);
  auto tokenizer = std::unique_ptr<Tokenizer>(new Tokenizer());
  tokenizer->ParseModel(file["model"]);
  tokenizer->ParseAddedTokens(file["added_tokens"]);
  return tokenizer;
}

void Tokenizer::ParseModel(const JsonValue& model) {
  Only(model["type"], "\"BPE\"", model["type"].StringOr("BPE") == "BPE");
  Only(model["byte_fallback"], "true", model["byte_fallback"].BoolOr(false));
  for (const char* field : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonValue value = model[field];
    Only(value, "null", value.IsNull() || (value.IsString() && value.StringView().empty()));
  }
  Only(model["ignore_merges"], "false", !model["ignore_merges"].BoolOr(false));
  const JsonValue vocab = model["vocab"];
  for (const auto& [piece, value] : vocab.Members()) {
    const int32_t id = static_cast<int32_t>(value.Int(0, kMostPieces - 1));
    if (piece.empty() || piece.size() > kMostPieceBytes) {
      value.Fail("a piece of 1 to " + std::to_string(kMostPieceBytes) + " bytes");
    }
    if (vocabulary_.Add(piece, id) != Vocabulary::AddResult::kAdded) {
      value.Fail("an id that no other piece has");
    }
  }
  control_.resize(static_cast<size_t>(vocabulary_.size()));
  if (const std::string missing = IndexCharacters(); !missing.empty()) vocab.Fail(missing);
  ParseMerges(model["merges"]);
}

// Finds the pieces of single characters and bytes. Returns what is missing, or nothing.
std::string Tokenizer::IndexCharacters() {
  bmp_symbols_.assign(65536, -1);
  for (int32_t id = 0; id < static_cast<int32_t>(vocabulary_.size()); ++id) {
    const std::string_view piece = vocabulary_.Piece(id);
    if (piece.empty() || piece.size() > 3) continue;
    const Utf8Character first = DecodeUtf8(piece);
    if (first.bytes == piece.size() && first.code_point < 65536) {
      bmp_symbols_[first.code_point] = id;
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    std::optional<int32_t> id = vocabulary_.Find(name);
    // One release spells the byte piece of the tabulator as the character itself.
    if (!id && byte == '\t') id = vocabulary_.Find("\t");
    if (!id) return "a piece " + std::string(name) + " for each byte";
    byte_ids_[byte] = *id;
  }
  const std::optional<int32_t> space = vocabulary_.Find(kSpaceMark);
  if (!space) return "a piece for U+2581";
  space_id_ = *space;
  return "";
}

// Notes the characters that a merge of these pieces brings side by side.
void Tokenizer::AddJoin(std::string_view left, std::string_view right) {
  size_t last = left.size() - 1;
  while (last > 0 && (static_cast<uint8_t>(left[last]) & 0xC0) == 0x80) --last;
  joins_.Add(SymbolOf(left.substr(last)), SymbolOf(right.substr(0, DecodeUtf8(right).bytes)));
}

void Tokenizer::ParseMerges(const JsonValue& merges) {
  const std::vector<JsonValue> items = merges.Items();
  if (items.size() > kMostMerges) merges.Fail("at most " + std::to_string(kMostMerges) + " merges");
  merges_.Reserve(items.size());
  std::string joined;
  for (const JsonValue& item : items) {
    std::string_view left, right;
    if (item.IsArray()) {
      const std::vector<JsonValue> pair = item.Items();
      if (pair.size() != 2) item.Fail("a pair of pieces");
      left = pair[0].StringView();
      right = pair[1].StringView();
    } else {
      const std::string_view both = item.StringView();
      const size_t space = both.find(' ');
      if (space == std::string_view::npos) item.Fail("two pieces with a space between");
      left = both.substr(0, space);
      right = both.substr(space + 1);
    }
    joined.assign(left).append(right);
    const auto left_id = vocabulary_.Find(left), right_id = vocabulary_.Find(right);
    const auto result = vocabulary_.Find(joined);
    if (!left_id || !right_id || !result) item.Fail("pieces that are in the vocabulary");
    merges_.Add(*left_id, *right_id, {static_cast<uint32_t>(merge_count_++), *result});
    AddJoin(left, right);
  }
}

void Tokenizer::ParseAddedTokens(const JsonValue& added) {
  if (added.IsNull()) return;
  for (const JsonValue& token : added.Items()) {
    const std::string content = token["content"].String();
    const int32_t id = static_cast<int32_t>(token["id"].Int(0, kMostPieces - 1));
    if (content.empty()) token["content"].Fail("a text");
    for (const char* flag : {"single_word", "lstrip", "rstrip"}) {
      Only(token[flag], "false", !token[flag].BoolOr(false));
    }
    const std::optional<int32_t> known = vocabulary_.Find(content);
    if (known && *known != id) token["id"].Fail("the vocabulary's id, " + std::to_string(*known));
    if (!known && vocabulary_.Add(content, id) != Vocabulary::AddResult::kAdded) {
      token["id"].Fail("an id that no other piece has");
    }
    if (static_cast<size_t>(vocabulary_.size()) > control_.size()) {
      control_.resize(static_cast<size_t>(vocabulary_.size()));
    }
    const bool control = token["special"].BoolOr(false);
    control_[static_cast<size_t>(id)] = control;
    all_added_.Add(content, id);
    if (!control) plain_added_.Add(content, id);
  }
  all_added_.Seal();
  plain_added_.Seal();
}

int32_t Tokenizer::SymbolOf(std::string_view character) const {
  const Utf8Character decoded = DecodeUtf8(character);
  if (decoded.code_point < 65536) return bmp_symbols_[decoded.code_point];
  return vocabulary_.Find(character.substr(0, decoded.bytes)).value_or(-1);
}

// Merges the symbols of one word, remembering what words became.
class Tokenizer::WordEncoder {
 public:
  explicit WordEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void Encode(std::span<const int32_t> symbols, std::vector<int32_t>& ids) {
    if (symbols.size() == 1) {
      ids.push_back(symbols[0]);
      return;
    }
    if (symbols.size() > kLongWord) {
      EncodeLong(symbols, ids);
      return;
    }
    const std::string_view key(reinterpret_cast<const char*>(symbols.data()),
                               symbols.size() * sizeof(int32_t));
    if (const auto known = cache_.find(key); known != cache_.end()) {
      ids.insert(ids.end(), known->second.begin(), known->second.end());
      return;
    }
    word_.assign(symbols.begin(), symbols.end());
    MergeShort();
    ids.insert(ids.end(), word_.begin(), word_.end());
    if (cache_.size() < kMostCachedWords) cache_.emplace(std::string(key), word_);
  }

 private:
  // The lowest rank first, the leftmost of equals, until no pair merges.
  void MergeShort() {
    while (word_.size() > 1) {
      MergeTable::Merge best;
      size_t best_at = 0;
      for (size_t i = 0; i + 1 < word_.size(); ++i) {
        const MergeTable::Merge merge = tokenizer_.merges_.Find(word_[i], word_[i + 1]);
        if (merge.rank < best.rank) {
          best = merge;
          best_at = i;
        }
      }
      if (best.result < 0) return;
      word_[best_at] = best.result;
      word_.erase(word_.begin() + static_cast<ptrdiff_t>(best_at) + 1);
    }
  }

  // The same with a linked list and a queue: close to linear in the length.
  void EncodeLong(std::span<const int32_t> symbols, std::vector<int32_t>& ids) {
    const uint32_t count = static_cast<uint32_t>(symbols.size());
    std::vector<int32_t> symbol(symbols.begin(), symbols.end());
    std::vector<uint32_t> next(count), previous(count);
    for (uint32_t i = 0; i < count; ++i) {
      next[i] = i + 1;
      previous[i] = i - 1;  // of the first: wraps round, never used
    }
    MergeQueue queue(tokenizer_.merge_count_);
    const auto offer = [&](uint32_t left) {
      if (left >= count || next[left] >= count) return;
      const MergeTable::Merge merge = tokenizer_.merges_.Find(symbol[left], symbol[next[left]]);
      if (merge.result >= 0) queue.Push({merge.rank, left});
    };
    for (uint32_t i = 0; i + 1 < count; ++i) offer(i);
    while (const auto entry = queue.Pop()) {
      const uint32_t left = entry->position, right = next[left];
      if (symbol[left] < 0 || right >= count) continue;  // merged away meanwhile
      const MergeTable::Merge merge = tokenizer_.merges_.Find(symbol[left], symbol[right]);
      if (merge.result < 0 || merge.rank != entry->rank) continue;
      symbol[left] = merge.result;
      symbol[right] = -1;
      next[left] = next[right];
      if (next[left] < count) previous[next[left]] = left;
      if (left > 0) offer(previous[left]);
      offer(left);
    }
    for (uint32_t i = 0; i < count; i = next[i]) ids.push_back(symbol[i]);
  }

  const Tokenizer& tokenizer_;
  std::vector<int32_t> word_;
  std::unordered_map<std::string, std::vector<int32_t>, SeededHash, std::equal_to<>> cache_;
};

// Text between added tokens. It is cut wherever no merge can reach across two characters, which in
// practice is before each space; each part is merged on its own with the same result.
void Tokenizer::EncodeSpan(std::string_view text, WordEncoder& words,
                           std::vector<int32_t>& ids) const {
  std::vector<int32_t> symbols;
  int32_t before = -1;
  const auto flush = [&] {
    if (!symbols.empty()) words.Encode(symbols, ids);
    symbols.clear();
  };
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    const std::string_view bytes =
        character.valid ? text.substr(0, character.bytes) : std::string_view("\ufffd");
    const int32_t symbol = bytes == " " ? space_id_ : SymbolOf(bytes);
    if (symbol < 0) {
      flush();
      for (char byte : bytes) ids.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    } else {
      if (!symbols.empty() && !joins_.Has(before, symbol)) flush();
      symbols.push_back(symbol);
    }
    before = symbol;
    text.remove_prefix(character.bytes);
  }
  flush();
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, ControlTokens mode) const {
  const TextRange whole{0, text.size()};
  return Encode(
      text, mode == ControlTokens::kAsText ? std::span(&whole, 1) : std::span<const TextRange>());
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text,
                                       std::span<const TextRange> plain) const {
  std::vector<int32_t> ids;
  WordEncoder words(*this);
  size_t done = 0;  // everything before is encoded
  size_t from = 0;  // everything between holds no added token
  size_t range = 0;
  while (auto match = all_added_.Next(text, from)) {
    while (range < plain.size() && plain[range].end <= match->begin) ++range;
    const bool touches_plain =
        range < plain.size() && plain[range].begin < match->begin + match->bytes;
    if (touches_plain && IsControl(match->id)) {
      const size_t begin = match->begin;
      match = plain_added_.LongestAt(text, begin);
      if (!match) {
        from = begin + 1;
        continue;
      }
    }
    EncodeSpan(text.substr(done, match->begin - done), words, ids);
    ids.push_back(match->id);
    done = from = match->begin + match->bytes;
  }
  EncodeSpan(text.substr(done), words, ids);
  return ids;
}

std::optional<uint8_t> Tokenizer::ByteOf(int32_t id) const {
  const std::string_view piece = Piece(id);
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  int value = 0;
  for (char digit : piece.substr(3, 2)) {
    const int nibble = digit >= '0' && digit <= '9'   ? digit - '0'
                       : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                                      : -1;
    if (nibble < 0) return std::nullopt;
    value = value * 16 + nibble;
  }
  return static_cast<uint8_t>(value);
}

void AppendPieceText(std::string_view piece, std::string& text) {
  for (size_t at = 0; at < piece.size();) {
    if (piece.substr(at, kSpaceMark.size()) == kSpaceMark) {
      text += ' ';
      at += kSpaceMark.size();
    } else {
      text += piece[at++];
    }
  }
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_control_tokens) const {
  std::string text, bytes;
  const auto flush_bytes = [&] {
    if (IsValidUtf8(bytes)) {
      text += bytes;
    } else {
      for (size_t i = 0; i < bytes.size(); ++i) AppendUtf8(kReplacementCharacter, text);
    }
    bytes.clear();
  };
  for (int32_t id : ids) {
    if (skip_control_tokens && IsControl(id)) continue;
    if (const std::optional<uint8_t> byte = ByteOf(id)) {
      bytes += static_cast<char>(*byte);
      continue;
    }
    flush_bytes();
    AppendPieceText(Piece(id), text);
  }
  flush_bytes();
  return text;
}

}  // namespace gemma3n
