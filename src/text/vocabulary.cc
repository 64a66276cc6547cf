// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"

#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace gemma3n {

Vocabulary::Vocabulary() : slots_(1024), seed_(HashSeed()) {}

void Vocabulary::Reserve(size_t pieces, size_t bytes) {
  text_.reserve(bytes);
  ranges_.reserve(pieces);
  while (pieces * 2 > slots_.size()) Grow();
}

size_t Vocabulary::FindSlot(std::string_view piece, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  const auto high = static_cast<uint32_t>(hash >> 32);
  size_t at = hash & mask;
  while (slots_[at].id >= 0 && (slots_[at].hash != high || Piece(slots_[at].id) != piece)) {
    at = (at + 1) & mask;
  }
  return at;
}

void Vocabulary::Grow() {
  std::vector<Slot> old = std::move(slots_);
  slots_.assign(old.size() * 2, Slot{});
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    const std::string_view piece = Piece(slot.id);
    slots_[FindSlot(piece, HashBytes(piece, seed_))] = slot;
  }
}

Vocabulary::AddResult Vocabulary::Add(std::string_view piece, int32_t id) {
  CHECK(!piece.empty() && id >= 0);
  CHECK_LT(text_.size() + piece.size(), size_t{UINT32_MAX});
  if (static_cast<size_t>(count_ + 1) * 2 > slots_.size()) Grow();
  if (!Piece(id).empty()) return Find(piece) ? AddResult::kPieceTaken : AddResult::kIdTaken;
  const uint64_t hash = HashBytes(piece, seed_);
  Slot& slot = slots_[FindSlot(piece, hash)];
  if (slot.id >= 0) return AddResult::kPieceTaken;
  slot = {static_cast<uint32_t>(hash >> 32), id};
  if (id >= size()) ranges_.resize(static_cast<size_t>(id) + 1);
  ranges_[static_cast<size_t>(id)] = {static_cast<uint32_t>(text_.size()),
                                      static_cast<uint32_t>(piece.size())};
  text_.append(piece);
  ++count_;
  return AddResult::kAdded;
}

std::optional<int32_t> Vocabulary::Find(std::string_view piece) const {
  const Slot& slot = slots_[FindSlot(piece, HashBytes(piece, seed_))];
  if (slot.id < 0) return std::nullopt;
  return slot.id;
}

std::string_view Vocabulary::Piece(int32_t id) const {
  if (id < 0 || id >= size()) return {};
  const Range& range = ranges_[static_cast<size_t>(id)];
  return std::string_view(text_).substr(range.offset, range.length);
}

}  // namespace gemma3n
