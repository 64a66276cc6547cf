// SPDX-License-Identifier: Apache-2.0
// A tokenizer as packed files hold it (docs/format.md): what tokenizer.json says, without its text
// to be taken apart. The tables are built anew, since their hashes differ in every process.
#include <algorithm>
#include <cstring>

#include "gemma3n/error.h"
#include "text/tokenizer.h"

namespace gemma3n {
namespace {

constexpr std::string_view kMagic = "g3ntoken";
constexpr uint32_t kMostPieces = 1 << 20;
constexpr uint32_t kMostMerges = 4u << 20;
constexpr uint32_t kMostPieceBytes = 1024;

struct Counts {
  uint32_t pieces, bytes, merges, added;
};
struct Merge {
  int32_t left, right, result;
};
struct Added {
  int32_t id, control;
};

template <class T>
void Append(const std::vector<T>& values, std::string& out) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Takes arrays off the front of the bytes.
class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void Fail(const std::string& expected, const std::string& found) const {
    throw Error(ErrorKind::kModel, name_ + ": expected " + expected + ", found " + found);
  }
  std::string_view Take(size_t bytes) {
    if (bytes > bytes_.size()) {
      Fail(std::to_string(bytes) + " bytes more", std::to_string(bytes_.size()));
    }
    const std::string_view taken = bytes_.substr(0, bytes);
    bytes_.remove_prefix(bytes);
    return taken;
  }
  template <class T>
  std::vector<T> Array(size_t count) {
    const std::string_view taken = Take(count * sizeof(T));
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), taken.data(), taken.size());
    return values;
  }
  void AtMost(const char* what, uint32_t limit, uint32_t found) const {
    if (found > limit) {
      Fail("at most " + std::to_string(limit) + " " + what, std::to_string(found));
    }
  }
  void CheckEnd() const {
    if (!bytes_.empty()) Fail("no more bytes", std::to_string(bytes_.size()));
  }

 private:
  std::string_view bytes_;
  const std::string& name_;
};

}  // namespace

std::string Tokenizer::Compiled() const {
  std::vector<uint32_t> lengths;
  std::string text;
  for (int32_t id = 0; id < static_cast<int32_t>(vocabulary_.size()); ++id) {
    lengths.push_back(static_cast<uint32_t>(Piece(id).size()));
    text += Piece(id);
  }
  std::vector<std::pair<uint32_t, Merge>> ranked;
  merges_.ForEach([&](int32_t left, int32_t right, const MergeTable::Merge& merge) {
    ranked.push_back({merge.rank, {left, right, merge.result}});
  });
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Merge> merges;
  for (const auto& [rank, merge] : ranked) merges.push_back(merge);
  std::vector<Added> added;
  for (int32_t id : all_added_.Ids()) added.push_back({id, IsControl(id) ? 1 : 0});
  const auto count = [](size_t size) { return static_cast<uint32_t>(size); };
  std::string out(kMagic);
  Append(std::vector<Counts>{{count(lengths.size()), count(text.size()), count(merges.size()),
                              count(added.size())}},
         out);
  Append(lengths, out);
  Append(merges, out);
  Append(added, out);
  return out + text;
}

std::unique_ptr<Tokenizer> Tokenizer::ReadCompiled(std::string_view bytes,
                                                   const std::string& name) {
  Reader reader(bytes, name);
  if (reader.Take(kMagic.size()) != kMagic) reader.Fail("a compiled tokenizer", "something else");
  const Counts counts = reader.Array<Counts>(1)[0];
  reader.AtMost("pieces", kMostPieces, counts.pieces);
  reader.AtMost("merges", kMostMerges, counts.merges);
  reader.AtMost("added tokens", counts.pieces, counts.added);
  const std::vector<uint32_t> lengths = reader.Array<uint32_t>(counts.pieces);
  const std::vector<Merge> merges = reader.Array<Merge>(counts.merges);
  const std::vector<Added> added = reader.Array<Added>(counts.added);

  auto tokenizer = std::unique_ptr<Tokenizer>(new Tokenizer());
  Vocabulary& vocabulary = tokenizer->vocabulary_;
  vocabulary.Reserve(counts.pieces, std::min<size_t>(counts.bytes, bytes.size()));
  for (uint32_t id = 0; id < counts.pieces; ++id) {
    reader.AtMost("bytes of a piece", kMostPieceBytes, lengths[id]);
    const std::string_view piece = reader.Take(lengths[id]);
    if (!piece.empty() &&
        vocabulary.Add(piece, static_cast<int32_t>(id)) != Vocabulary::AddResult::kAdded) {
      reader.Fail("each piece once", "the piece of id " + std::to_string(id) + " again");
    }
  }
  reader.CheckEnd();
  if (const std::string missing = tokenizer->IndexCharacters(); !missing.empty()) {
    reader.Fail(missing, "none");
  }
  tokenizer->control_.resize(static_cast<size_t>(vocabulary.size()));

  const auto piece_of = [&](int32_t id) {
    const std::string_view piece = vocabulary.Piece(id);
    if (piece.empty()) reader.Fail("ids of pieces", std::to_string(id));
    return piece;
  };
  tokenizer->merges_.Reserve(merges.size());
  for (const Merge& merge : merges) {
    tokenizer->AddJoin(piece_of(merge.left), piece_of(merge.right));
    piece_of(merge.result);
    tokenizer->merges_.Add(merge.left, merge.right,
                           {static_cast<uint32_t>(tokenizer->merge_count_++), merge.result});
  }
  for (const Added& token : added) {
    const std::string content(piece_of(token.id));
    tokenizer->control_[static_cast<size_t>(token.id)] = token.control != 0;
    tokenizer->all_added_.Add(content, token.id);
    if (token.control == 0) tokenizer->plain_added_.Add(content, token.id);
  }
  tokenizer->all_added_.Seal();
  tokenizer->plain_added_.Seal();
  return tokenizer;
}

}  // namespace gemma3n
