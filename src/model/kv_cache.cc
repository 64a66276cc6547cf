// SPDX-License-Identifier: Apache-2.0
#include "model/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

int64_t RoundUpToBlock(int64_t slots) {
  return (slots + ops::kKeysPerBlock - 1) / ops::kKeysPerBlock * ops::kKeysPerBlock;
}

// Zeroed pages, which cost nothing until they are written.
void* MapZeros(int64_t bytes) {
  void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Error(ErrorKind::kResources, "no memory for a key/value cache of " +
                                           std::to_string(bytes >> 20) +
                                           " MiB; ask for a shorter context");
  }
  return memory;
}

// Slots of one layer with keys of its own. In a ring, the window of a chunk's first position and
// the chunk itself stand side by side.
struct LayerSlots {
  LayerSlots(const TextConfig& config, int64_t context_length, int64_t max_chunk,
             SlidingCache sliding)
      : full(RoundUpToBlock(context_length)),
        ring(RoundUpToBlock(config.sliding_window + max_chunk - 1)),
        rings(sliding == SlidingCache::kRing && ring < full) {}

  bool IsRing(const TextConfig& config, int layer) const {
    return rings && config.is_sliding(layer);
  }
  int64_t Of(const TextConfig& config, int layer) const {
    return IsRing(config, layer) ? ring : full;
  }

  int64_t full, ring;
  bool rings;
};

}  // namespace

ops::AttentionShape LongestAttention(const TextConfig& config) {
  return {.num_attention_heads = config.num_attention_heads,
          .num_key_value_heads = config.num_key_value_heads,
          .head_dim = config.head_dim,
          .window = 0};
}

int64_t KvCache::BytesFor(const TextConfig& config, int64_t context_length, int64_t max_chunk,
                          SlidingCache sliding, ops::KeyValueType type) {
  const LayerSlots slots(config, context_length, max_chunk, sliding);
  int64_t count = 0;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (config.kv_source_layer(layer) == layer) count += slots.Of(config, layer);
  }
  return count * 2 * config.num_key_value_heads * ops::KeyValueRowBytes(type, config.head_dim);
}

void KvCache::Unmap::operator()(void* memory) const {
  munmap(memory, static_cast<size_t>(bytes));
}

KvCache::KvCache(const TextConfig& config, int64_t context_length, int64_t max_chunk,
                 SlidingCache sliding, ops::KeyValueType type)
    : num_key_value_heads_(config.num_key_value_heads),
      head_dim_(config.head_dim),
      window_(config.sliding_window),
      type_(type),
      slots_(config.num_hidden_layers) {
  const LayerSlots layer_slots(config, context_length, max_chunk, sliding);
  const int64_t slot_bytes = num_key_value_heads_ * ops::KeyValueRowBytes(type, head_dim_);
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    source_.push_back(config.kv_source_layer(layer));
    if (source_.back() != layer) continue;
    if (layer_slots.IsRing(config, layer)) ring_slots_ = layer_slots.ring;
    slots_[layer].capacity = layer_slots.Of(config, layer);
    slots_[layer].type = type;
  }
  position_bytes_ = 0;
  for (const ops::KeyValueSlots& slots : slots_)
    position_bytes_ += slots.capacity > 0 ? 2 * slot_bytes : 0;
  bytes_ = BytesFor(config, context_length, max_chunk, sliding, type);
  memory_ = {MapZeros(bytes_), Unmap{bytes_}};
  const std::byte* next = static_cast<const std::byte*>(memory_.get());
  for (ops::KeyValueSlots& slots : slots_) {
    slots.keys = next;
    slots.values = next + slots.capacity * slot_bytes;
    next += 2 * slots.capacity * slot_bytes;
  }
}

KvCache::~KvCache() = default;
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;

void KvCache::Store(int layer, int64_t first_position, ops::ConstRows keys, ops::ConstRows values) {
  CHECK_EQ(source_[layer], layer);
  const ops::KeyValueSlots& slots = slots_[layer];
  CHECK_LE(keys.rows, slots.capacity);
  const int64_t row_bytes = ops::KeyValueRowBytes(type_, head_dim_);
  std::byte* const key_slots = const_cast<std::byte*>(slots.keys);
  std::byte* const value_slots = const_cast<std::byte*>(slots.values);
  for (int64_t row = 0; row < keys.rows; ++row) {
    const int64_t slot = (first_position + row) % slots.capacity;
    for (int64_t head = 0; head < num_key_value_heads_; ++head) {
      const int64_t to = (head * slots.capacity + slot) * row_bytes;
      const int64_t from = head * head_dim_;
      ops::StoreKeyValueRow(type_, keys.data + row * keys.stride + from, head_dim_, key_slots + to);
      ops::StoreKeyValueRow(type_, values.data + row * values.stride + from, head_dim_,
                            value_slots + to);
    }
  }
  written_end_ = first_position + keys.rows;
  if (ring_slots_ > 0) lost_before_ = std::max(lost_before_, written_end_ - ring_slots_);
}

template <class Fn>
void KvCache::ForEachRow(int64_t position, const Fn& fn) const {
  const int64_t row_bytes = ops::KeyValueRowBytes(type_, head_dim_);
  for (const ops::KeyValueSlots& slots : slots_) {
    if (slots.capacity == 0) continue;
    for (const void* rows : {slots.keys, slots.values}) {
      for (int64_t head = 0; head < num_key_value_heads_; ++head) {
        const int64_t row = head * slots.capacity + position % slots.capacity;
        fn(slots, const_cast<std::byte*>(static_cast<const std::byte*>(rows)) + row * row_bytes,
           static_cast<size_t>(row_bytes));
      }
    }
  }
}

void KvCache::CopyRowsTo(int64_t position, std::byte* rows) const {
  CHECK(HoldsRows(position));
  ForEachRow(position, [&](const ops::KeyValueSlots&, const std::byte* row, size_t bytes) {
    std::memcpy(rows, row, bytes);
    rows += bytes;
  });
}

void KvCache::TakeRows(const std::byte* rows, int64_t end) {
  const int64_t position = written_end_;
  ForEachRow(position, [&](const ops::KeyValueSlots& slots, std::byte* row, size_t bytes) {
    if (position + slots.capacity >= end) std::memcpy(row, rows, bytes);
    rows += bytes;
  });
  written_end_ = position + 1;
  if (ring_slots_ > 0) lost_before_ = std::max(lost_before_, end - ring_slots_);
}

void KvCache::Rewind(int64_t position) {
  CHECK(position == 0 || Holds(position));
  written_end_ = position;
  if (position == 0) lost_before_ = 0;  // nothing that was overwritten is seen any more
}

bool KvCache::Holds(int64_t position) const {
  return position <= written_end_ && WouldHold(position, written_end_);
}

bool KvCache::WouldHold(int64_t position, int64_t end) const {
  const int64_t lost_before =
      ring_slots_ > 0 ? std::max(lost_before_, end - ring_slots_) : lost_before_;
  return std::max<int64_t>(0, position - window_ + 1) >= lost_before;
}

}  // namespace gemma3n
