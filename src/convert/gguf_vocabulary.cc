// SPDX-License-Identifier: Apache-2.0
#include "convert/gguf_vocabulary.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "checkpoint/gguf.h"

namespace gemma3n {
namespace {

using gguf::PieceType;

constexpr std::string_view kSpaceMark = "\u2581";
// Below every rank: pieces that no merge makes are never joined before others.
constexpr float kNoMerge = -1e9f;

int32_t Number(PieceType type) {
  return static_cast<int32_t>(type);
}

bool IsByte(std::string_view piece) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return piece.size() == 6 && piece.substr(0, 3) == "<0x" && is_digit(piece[3]) &&
         is_digit(piece[4]) && piece[5] == '>';
}

std::string WithSpaces(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at, kSpaceMark.size()) == kSpaceMark;
    result += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  return result;
}

// The two pieces of a merge, which stands as a pair or as one text with a space between.
std::pair<std::string_view, std::string_view> Sides(const JsonValue& merge) {
  if (merge.IsArray()) {
    const std::vector<JsonValue> pair = merge.Items();
    if (pair.size() != 2) merge.Fail("a pair of pieces");
    return {pair[0].StringView(), pair[1].StringView()};
  }
  const std::string_view both = merge.StringView();
  const size_t space = both.find(' ');
  if (space == std::string_view::npos) merge.Fail("two pieces with a space between");
  return {both.substr(0, space), both.substr(space + 1)};
}

class Builder {
 public:
  Builder(const JsonValue& tokenizer, int64_t size) : tokenizer_(tokenizer) {
    result_.pieces.resize(static_cast<size_t>(size));
    result_.scores.resize(static_cast<size_t>(size), kNoMerge);
    result_.kinds.resize(static_cast<size_t>(size), Number(PieceType::kUnused));
  }

  GgufVocabulary Build() && {
    TakePieces();
    TakeMerges();
    TakeAddedTokens();
    for (size_t id = 0; id < result_.pieces.size(); ++id) {
      if (result_.pieces[id].empty()) result_.pieces[id] = "[PAD" + std::to_string(id) + "]";
    }
    return std::move(result_);
  }

 private:
  size_t IdOf(const JsonValue& value) const {
    return static_cast<size_t>(value.Int(0, static_cast<int64_t>(result_.pieces.size()) - 1));
  }

  void TakePieces() {
    const std::string unknown = tokenizer_["model"]["unk_token"].StringOr("<unk>");
    for (const auto& [piece, value] : tokenizer_["model"]["vocab"].Members()) {
      const size_t id = IdOf(value);
      if (!result_.pieces[id].empty()) value.Fail("an id that no other piece has");
      result_.pieces[id] = piece;
      ids_[piece] = id;
      PieceType type = IsByte(piece) ? PieceType::kByte : PieceType::kNormal;
      if (piece == unknown) {
        type = PieceType::kUnknown;
        result_.unknown = static_cast<int32_t>(id);
      }
      result_.kinds[id] = Number(type);
    }
  }

  void TakeMerges() {
    std::unordered_map<size_t, std::unordered_set<size_t>>
        listed;  // piece -> ends of its left sides
    std::string joined;
    float rank = 0;
    for (const JsonValue& merge : tokenizer_["model"]["merges"].Items()) {
      const auto [left, right] = Sides(merge);
      joined.assign(left).append(right);
      const auto found = ids_.find(joined);
      if (found == ids_.end()) merge.Fail("pieces that make a piece of the vocabulary");
      float& score = result_.scores[found->second];
      score = std::max(score, -rank);
      rank += 1;
      listed[found->second].insert(left.size());
    }
    for (const auto& [piece, id] : ids_) {
      if (result_.kinds[id] == Number(PieceType::kNormal)) CountUnlisted(piece, listed[id]);
    }
  }

  void CountUnlisted(std::string_view piece, const std::unordered_set<size_t>& listed) {
    for (size_t end = 1; end < piece.size(); ++end) {
      if ((static_cast<uint8_t>(piece[end]) & 0xC0) == 0x80) continue;  // within a character
      if (ids_.count(piece.substr(0, end)) && ids_.count(piece.substr(end)) && !listed.count(end)) {
        ++result_.unlisted_joints;
      }
    }
  }

  void TakeAddedTokens() {
    const JsonValue added = tokenizer_["added_tokens"];
    if (added.IsNull()) return;
    for (const JsonValue& token : added.Items()) {
      const size_t id = IdOf(token["id"]);
      const std::string content = token["content"].String();
      const bool control = token["special"].BoolOr(false);
      if (content == "<mask>") result_.mask = static_cast<int32_t>(id);
      if (content == "<end_of_turn>") result_.end_of_turn = static_cast<int32_t>(id);
      // What is cut out of the text before spaces become marks is looked for with spaces.
      result_.pieces[id] = control ? content : WithSpaces(content);
      if (result_.kinds[id] == Number(PieceType::kUnknown)) continue;
      result_.kinds[id] = Number(control ? PieceType::kControl : PieceType::kUserDefined);
    }
  }

  const JsonValue& tokenizer_;
  std::unordered_map<std::string_view, size_t> ids_;  // the texts live in tokenizer_
  GgufVocabulary result_;
};

}  // namespace

GgufVocabulary GgufVocabulary::Parse(const JsonValue& tokenizer, int64_t size) {
  return Builder(tokenizer, size).Build();
}

}  // namespace gemma3n
