// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/utf8.h"
#include "checkpoint/json_text.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using gguf::PieceType;

constexpr char kTokensKey[] = "tokenizer.ggml.tokens";
constexpr char kTypesKey[] = "tokenizer.ggml.token_type";
constexpr char kScoresKey[] = "tokenizer.ggml.scores";
constexpr char kMergesKey[] = "tokenizer.ggml.merges";
constexpr uint64_t kMostPieces = 1 << 20;
constexpr size_t kMostPieceBytes = 1024;
constexpr size_t kMostMerges = 4u << 20;
// Of all pieces, the sum of their lengths squared: what trying all cuts costs. Gemma's is 2e7.
constexpr uint64_t kMostCutting = 2'000'000'000;
constexpr std::string_view kSpaceMark = "\u2581";

const GgufValue& Required(const Gguf& gguf, const char* key) {
  const GgufValue* value = gguf.Find(key);
  if (value != nullptr) return *value;
  throw Error(ErrorKind::kModel, gguf.file().path().string() + ": " + key +
                                     ": expected the tokenizer's, found nothing");
}

std::string WithSpaceMarks(std::string_view piece) {
  std::string result;
  for (const char c : piece) {
    if (c == ' ') {
      result += kSpaceMark;
    } else {
      result += c;
    }
  }
  return result;
}

// The tokens that the template writes are control tokens, whatever a file calls them.
bool IsTemplateToken(std::string_view piece) {
  constexpr std::string_view kTokens[] = {"<bos>",
                                          "<eos>",
                                          "<start_of_turn>",
                                          "<end_of_turn>",
                                          "<start_of_image>",
                                          "<end_of_image>",
                                          "<image_soft_token>",
                                          "<start_of_audio>",
                                          "<end_of_audio>",
                                          "<audio_soft_token>"};
  return std::find(std::begin(kTokens), std::end(kTokens), piece) != std::end(kTokens);
}

uint32_t Characters(std::string_view text) {
  return static_cast<uint32_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

// The byte that "<0x0A>" stands for; nothing for any other piece.
std::optional<uint8_t> ByteOf(std::string_view piece) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return std::nullopt;
  const size_t high = kDigits.find(piece[3]), low = kDigits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

}  // namespace

GgufTokenizer::GgufTokenizer(const Gguf& gguf) : gguf_(gguf) {
  const std::string_view model = Required(gguf, "tokenizer.ggml.model").String();
  if (model != "llama") {
    Required(gguf, "tokenizer.ggml.model").Fail("\"llama\", as Gemma 3n's tokenizer is stored");
  }
  ReadPieces();
  CheckBytes();
  for (const char* key : {"bos", "eos", "unknown", "padding", "eot"}) {
    IdOf("tokenizer.ggml." + std::string(key) + "_token_id");
  }
}

void GgufTokenizer::Fail(size_t id, const std::string& what) const {
  throw Error(ErrorKind::kModel, gguf_.file().path().string() + ": " + kTokensKey + ": piece " +
                                     std::to_string(id) + ": " + what);
}

void GgufTokenizer::ReadPieces() {
  const GgufValue& tokens = Required(gguf_, kTokensKey);
  if (!tokens.IsArray() || tokens.size() == 0 || tokens.size() > kMostPieces) {
    tokens.Fail("1 to " + std::to_string(kMostPieces) + " pieces");
  }
  const auto as_many = [&](const GgufValue& value) {
    if (value.IsArray() && value.size() == tokens.size()) return;
    value.Fail("one for each of " + std::to_string(tokens.size()) + " pieces");
  };
  const GgufValue& types = Required(gguf_, kTypesKey);
  as_many(types);
  for (const int64_t type : types.Ints(1, 6)) types_.push_back(static_cast<PieceType>(type));
  if (gguf_.Find(kMergesKey) == nullptr) {
    const GgufValue& scores = Required(gguf_, kScoresKey);
    as_many(scores);
    constexpr double kMost = std::numeric_limits<float>::max();
    scores_ = scores.Numbers(-kMost, kMost);
  }
  const std::vector<std::string_view> pieces = tokens.Strings();
  pieces_.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].empty() || pieces[id].size() > kMostPieceBytes || !IsValidUtf8(pieces[id])) {
      Fail(id, "expected UTF-8 of 1 to " + std::to_string(kMostPieceBytes) + " bytes, found " +
                   (pieces[id].empty() ? "nothing" : Quoted(pieces[id])) + " of " +
                   std::to_string(pieces[id].size()));
    }
    // llama.cpp's converter writes these pieces as they come in a text.
    pieces_.push_back(types_[id] == PieceType::kUserDefined ? WithSpaceMarks(pieces[id])
                                                            : std::string(pieces[id]));
  }
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const auto [found, added] = ids_.emplace(pieces_[id], static_cast<int32_t>(id));
    if (!added) {
      Fail(id, "expected a piece of its own, found " + Quoted(pieces_[id]) + " as piece " +
                   std::to_string(found->second) + " is");
    }
  }
}

// Every byte has its piece, and pieces that are called bytes are such.
void GgufTokenizer::CheckBytes() const {
  std::array<bool, 256> there{};
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const std::optional<uint8_t> byte = ByteOf(pieces_[id]);
    if (byte) there[*byte] = true;
    // One release spells the byte piece of the tabulator as the character itself.
    const bool tabulator = pieces_[id] == "\t";
    if (tabulator) there['\t'] = true;
    if (types_[id] == PieceType::kByte && !byte && !tabulator) {
      Fail(id, "expected a byte from <0x00> to <0xFF>, found " + Quoted(pieces_[id]));
    }
  }
  const auto missing = std::find(there.begin(), there.end(), false);
  if (missing == there.end()) return;
  throw Error(ErrorKind::kModel, gguf_.file().path().string() + ": " + kTokensKey +
                                     ": expected a piece <0x00> to <0xFF> for each byte, found "
                                     "none for byte " +
                                     std::to_string(missing - there.begin()));
}

std::optional<int32_t> GgufTokenizer::Find(std::string_view piece) const {
  const auto found = ids_.find(piece);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::optional<int32_t> GgufTokenizer::IdOf(const std::string& key) const {
  const GgufValue* value = gguf_.Find(key);
  if (value == nullptr) return std::nullopt;
  return static_cast<int32_t>(value->Int(0, size() - 1));
}

bool GgufTokenizer::MayMerge(int32_t id) const {
  const PieceType type = types_[static_cast<size_t>(id)];
  return type == PieceType::kNormal || type == PieceType::kUserDefined;
}

std::vector<GgufTokenizer::Merge> GgufTokenizer::DerivedMerges() const {
  const auto check = [&](bool few) {
    if (few) return;
    throw Error(ErrorKind::kModel, gguf_.file().path().string() + ": " + kTokensKey +
                                       ": expected shorter pieces or fewer of them; there are too "
                                       "many ways to merge them");
  };
  uint64_t cutting = 0;
  for (const std::string& piece : pieces_) cutting += piece.size() * piece.size();
  check(cutting <= kMostCutting);
  std::vector<Merge> merges;
  for (int32_t id = 0; id < size(); ++id) {
    if (!MayMerge(id)) continue;
    const std::string_view piece = Piece(id);
    // Pieces that are cut out whole come first: the scores that converters give them say nothing.
    const double score = types_[static_cast<size_t>(id)] == PieceType::kUserDefined
                             ? std::numeric_limits<double>::infinity()
                             : scores_[static_cast<size_t>(id)];
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<uint8_t>(piece[cut]) & 0xC0) == 0x80) continue;  // inside of a character
      const auto left = Find(piece.substr(0, cut));
      if (!left || !MayMerge(*left)) continue;
      const auto right = Find(piece.substr(cut));
      if (!right || !MayMerge(*right)) continue;
      merges.push_back({*left, *right, id, score, Characters(piece.substr(0, cut)),
                        Characters(piece.substr(cut))});
    }
    check(merges.size() <= kMostMerges);
  }
  std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.left_characters != b.left_characters) return a.left_characters > b.left_characters;
    if (a.right_characters != b.right_characters) return a.right_characters > b.right_characters;
    return a.result < b.result;
  });
  return merges;
}

void GgufTokenizer::AddMerges(std::string& json) const {
  bool first = true;
  const auto add = [&](std::string_view left, std::string_view right) {
    json += first ? "[" : ",[";
    first = false;
    AppendJsonText(left, json);
    json += ',';
    AppendJsonText(right, json);
    json += ']';
  };
  if (const GgufValue* stated = gguf_.Find(kMergesKey)) {
    for (const std::string_view merge : stated->Strings()) {
      const size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos || !IsValidUtf8(merge)) {
        stated->Fail("two pieces with a space between in each");
      }
      add(merge.substr(0, space), merge.substr(space + 1));
    }
    return;
  }
  for (const Merge& merge : DerivedMerges()) add(Piece(merge.left), Piece(merge.right));
}

void GgufTokenizer::AddAddedTokens(std::string& json) const {
  bool first = true;
  for (int32_t id = 0; id < size(); ++id) {
    const PieceType type = types_[static_cast<size_t>(id)];
    const bool special =
        type == PieceType::kControl || type == PieceType::kUnknown || IsTemplateToken(Piece(id));
    if (!special && type != PieceType::kUserDefined) continue;
    json += first ? "\n{\"id\":" : ",\n{\"id\":";
    first = false;
    json += std::to_string(id) + ",\"content\":";
    AppendJsonText(Piece(id), json);
    json += ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,";
    json += special ? "\"special\":true}" : "\"special\":false}";
  }
}

std::string GgufTokenizer::TokenizerJson() const {
  std::string json = "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[";
  AddAddedTokens(json);
  json +=
      "],\n\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"
      "\"\u2581\"},\"pre_tokenizer\":null,\"post_processor\":null,\n\"decoder\":{\"type\":"
      "\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},"
      "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},\n\"model\":{\"type\":"
      "\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\",\"continuing_subword_prefix\":null,"
      "\"end_of_word_suffix\":null,\"fuse_unk\":true,\"byte_fallback\":true,\"ignore_merges\":"
      "false,\n\"vocab\":{";
  for (int32_t id = 0; id < size(); ++id) {
    if (id > 0) json += ',';
    AppendJsonText(Piece(id), json);
    json += ':' + std::to_string(id);
  }
  json += "},\n\"merges\":[";
  AddMerges(json);
  return json + "]}}\n";
}

}  // namespace gemma3n
