// SPDX-License-Identifier: Apache-2.0
// The merges that wait in one long run of symbols: the lowest rank first, then the leftmost.
//
// One heap over all of them would jump through memory for each step. Here each rank has a queue of
// its own, in which positions mostly arrive in order: an ordered list with a cursor, and a small
// heap for the few that come late. A second heap holds only the ranks in use. Ten megabytes of one
// letter then cost little more than a walk from left to right.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gemma3n {

class MergeQueue {
 public:
  struct Entry {
    uint32_t rank;
    uint32_t position;
  };

  // Ranks are below `rank_count`.
  explicit MergeQueue(size_t rank_count) : queue_of_rank_(rank_count, kNoQueue) {}

  void Push(Entry entry);
  // Takes out the least entry; nothing when empty.
  std::optional<Entry> Pop();

 private:
  struct PositionQueue {
    std::vector<uint32_t> ordered;  // ascending
    size_t cursor = 0;              // entries before it are taken out
    std::vector<uint32_t> late;     // min-heap
    bool empty() const { return cursor == ordered.size() && late.empty(); }
    void Push(uint32_t position);
    uint32_t Pop();
  };
  static constexpr uint32_t kNoQueue = UINT32_MAX;

  std::vector<uint32_t> queue_of_rank_;
  std::vector<PositionQueue> queues_;
  std::vector<uint32_t> ranks_;  // min-heap of ranks with entries
};

}  // namespace gemma3n
