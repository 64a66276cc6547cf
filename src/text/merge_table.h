// SPDX-License-Identifier: Apache-2.0
// Which two neighbouring pieces become one, and how early: (left id, right id) -> (rank, result).
// Also tells for two neighbouring characters whether any merge can ever join them; where none can,
// a text falls apart into pieces that are tokenized on their own with the same result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemma3n {

class MergeTable {
 public:
  struct Merge {
    uint32_t rank = UINT32_MAX;  // UINT32_MAX: this pair does not merge
    int32_t result = -1;
  };

  MergeTable();
  void Reserve(size_t merges);
  // A pair given twice keeps the later rank and result. Ids are at least 0.
  void Add(int32_t left, int32_t right, Merge merge);
  Merge Find(int32_t left, int32_t right) const;
  // Calls visit(left, right, merge) for each pair, in no order.
  template <class Visit>
  void ForEach(const Visit& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.key == kFree) continue;
      visit(static_cast<int32_t>(slot.key >> 32), static_cast<int32_t>(slot.key), slot.merge);
    }
  }

 private:
  struct Slot {
    uint64_t key = kFree;
    Merge merge;
  };
  static constexpr uint64_t kFree = UINT64_MAX;  // no pair of ids: both halves are below 2^31
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t FindSlot(uint64_t key) const;
  void Resize(size_t slots);

  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  size_t count_ = 0;
  uint64_t seed_;
};

// A set of pairs of ids, asked about once for each character of a text.
class PairSet {
 public:
  PairSet();
  void Add(int32_t left, int32_t right) { table_.Add(left, right, {0, 0}); }
  bool Has(int32_t left, int32_t right) const { return table_.Find(left, right).result == 0; }

 private:
  MergeTable table_;
};

}  // namespace gemma3n
