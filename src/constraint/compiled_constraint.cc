// SPDX-License-Identifier: Apache-2.0
#include "constraint/compiled_constraint.h"

namespace gemma3n {

std::shared_ptr<const TokenMask> MaskStore::Find(const std::string& place) const {
  const std::lock_guard lock(mutex_);
  const auto found = masks_.find(place);
  return found == masks_.end() ? nullptr : found->second;
}

void MaskStore::Add(const std::string& place, std::shared_ptr<const TokenMask> mask) {
  const std::lock_guard lock(mutex_);
  const size_t cost = Cost(place, *mask);
  if (cost > kMostBytes || !masks_.emplace(place, std::move(mask)).second) return;
  order_.push_back(place);
  bytes_ += cost;
  while (bytes_ > kMostBytes) {
    const auto oldest = masks_.find(order_.front());
    bytes_ -= Cost(oldest->first, *oldest->second);
    masks_.erase(oldest);
    order_.pop_front();
  }
}

size_t MaskStore::Bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace gemma3n
