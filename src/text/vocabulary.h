// SPDX-License-Identifier: Apache-2.0
// Pieces and their ids: which text an id stands for, and which id a piece of text has.
// Built once while loading, then only read; any number of threads may read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n {

class Vocabulary {
 public:
  enum class AddResult { kAdded, kPieceTaken, kIdTaken };

  Vocabulary();
  // Room for so many pieces, ids below that, and their bytes.
  void Reserve(size_t pieces, size_t bytes);
  // `piece` is not empty and `id` is at least 0. The sum of all pieces stays below 4 GiB.
  AddResult Add(std::string_view piece, int32_t id);

  std::optional<int32_t> Find(std::string_view piece) const;
  // Empty for an id without a piece, in range or not.
  std::string_view Piece(int32_t id) const;
  // The highest id plus one; ids below it may have no piece.
  int64_t size() const { return static_cast<int64_t>(ranges_.size()); }
  // How many pieces there are.
  int64_t count() const { return count_; }

 private:
  struct Range {
    uint32_t offset = 0;  // into text_
    uint32_t length = 0;  // 0 where the id has no piece
  };
  struct Slot {
    uint32_t hash = 0;  // high half of the piece's hash
    int32_t id = -1;    // -1 where the slot is free
  };
  size_t FindSlot(std::string_view piece, uint64_t hash) const;
  void Grow();

  std::string text_;  // all pieces, one after the other
  std::vector<Range> ranges_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  int64_t count_ = 0;
  uint64_t seed_;
};

}  // namespace gemma3n
