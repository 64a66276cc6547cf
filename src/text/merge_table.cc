// SPDX-License-Identifier: Apache-2.0
#include "text/merge_table.h"

#include <utility>

#include "base/hash.h"

namespace gemma3n {

MergeTable::MergeTable() : slots_(1024), seed_(HashSeed()) {}
PairSet::PairSet() = default;

void MergeTable::Reserve(size_t merges) {
  size_t slots = slots_.size();
  while (slots < merges * 2) slots *= 2;
  if (slots > slots_.size()) Resize(slots);
}

size_t MergeTable::FindSlot(uint64_t key) const {
  const size_t mask = slots_.size() - 1;
  size_t at = HashNumber(key, seed_) & mask;
  while (slots_[at].key != kFree && slots_[at].key != key) at = (at + 1) & mask;
  return at;
}

void MergeTable::Resize(size_t slots) {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
  for (const Slot& slot : old) {
    if (slot.key != kFree) slots_[FindSlot(slot.key)] = slot;
  }
}

void MergeTable::Add(int32_t left, int32_t right, Merge merge) {
  if ((count_ + 1) * 2 > slots_.size()) Resize(slots_.size() * 2);
  Slot& slot = slots_[FindSlot(Key(left, right))];
  if (slot.key == kFree) ++count_;
  slot = {Key(left, right), merge};
}

MergeTable::Merge MergeTable::Find(int32_t left, int32_t right) const {
  return slots_[FindSlot(Key(left, right))].merge;
}

}  // namespace gemma3n
