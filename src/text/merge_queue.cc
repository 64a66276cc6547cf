// SPDX-License-Identifier: Apache-2.0
#include "text/merge_queue.h"

#include <algorithm>
#include <functional>

namespace gemma3n {

void MergeQueue::PositionQueue::Push(uint32_t position) {
  if (empty()) {
    ordered.clear();
    cursor = 0;
  }
  if (ordered.empty() || position >= ordered.back()) {
    ordered.push_back(position);
  } else {
    late.push_back(position);
    std::push_heap(late.begin(), late.end(), std::greater<>());
  }
}

uint32_t MergeQueue::PositionQueue::Pop() {
  if (late.empty() || (cursor < ordered.size() && ordered[cursor] <= late.front())) {
    return ordered[cursor++];
  }
  std::pop_heap(late.begin(), late.end(), std::greater<>());
  const uint32_t position = late.back();
  late.pop_back();
  return position;
}

void MergeQueue::Push(Entry entry) {
  uint32_t& index = queue_of_rank_[entry.rank];
  if (index == kNoQueue) {
    index = static_cast<uint32_t>(queues_.size());
    queues_.emplace_back();
  }
  PositionQueue& queue = queues_[index];
  if (queue.empty()) {
    ranks_.push_back(entry.rank);
    std::push_heap(ranks_.begin(), ranks_.end(), std::greater<>());
  }
  queue.Push(entry.position);
}

std::optional<MergeQueue::Entry> MergeQueue::Pop() {
  if (ranks_.empty()) return std::nullopt;
  const uint32_t rank = ranks_.front();
  PositionQueue& queue = queues_[queue_of_rank_[rank]];
  const uint32_t position = queue.Pop();
  if (queue.empty()) {
    std::pop_heap(ranks_.begin(), ranks_.end(), std::greater<>());
    ranks_.pop_back();
    queue.ordered = {};  // a rank's memory is given back: long runs have many ranks in turn
    queue.late = {};
    queue.cursor = 0;
  }
  return Entry{rank, position};
}

}  // namespace gemma3n
