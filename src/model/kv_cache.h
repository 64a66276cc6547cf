// SPDX-License-Identifier: Apache-2.0
// Keys and values of the positions so far, one cache for each layer that computes its own; layers
// that share point at their source. Sliding layers keep a ring, full layers all positions.
//
// Float32 is what the reference's cache holds on float32 activations; the other types save memory
// and reading.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config.h"
#include "ops/dot_product_attention.h"

namespace gemma3n {

// The attention of a full layer, which sees all positions: what scratch is taken for.
ops::AttentionShape LongestAttention(const TextConfig& config);

enum class SlidingCache {
  kRing,  // the window and one chunk
  kFull,  // all positions, for tests
};

// Not safe to use from two threads at once.
class KvCache {
 public:
  // Memory is reserved here and taken by the system as positions are written. Throws Error
  // (kResources) when there is not enough.
  KvCache(const TextConfig& config, int64_t context_length, int64_t max_chunk, SlidingCache sliding,
          ops::KeyValueType type);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;

  // What such a cache takes when the context is full.
  static int64_t BytesFor(const TextConfig& config, int64_t context_length, int64_t max_chunk,
                          SlidingCache sliding, ops::KeyValueType type);

  // keys and values [rows, num_key_value_heads * head_dim] of `layer`, which has its own, at
  // first_position and those that follow; rows <= max_chunk.
  void Store(int layer, int64_t first_position, ops::ConstRows keys, ops::ConstRows values);

  // What a layer attends to: its own slots, or those of its source.
  const ops::KeyValueSlots& Slots(int layer) const { return slots_[source_[layer]]; }

  // Whether the positions before `position` that the next query sees are still there.
  bool Holds(int64_t position) const;
  // Whether they would be if `end` were one past the last position.
  bool WouldHold(int64_t position, int64_t end) const;
  // Forgets the positions from `position` on, which must be 0 or held.
  void Rewind(int64_t position);

  int64_t bytes() const { return bytes_; }  // when the context is full

  // The rows of one position, those of all layers one after another, as they are kept.
  int64_t position_bytes() const { return position_bytes_; }
  // Whether the rings still hold this position, too.
  bool HoldsRows(int64_t position) const {
    return lost_before_ <= position && position < written_end_;
  }
  void CopyRowsTo(int64_t position, std::byte* rows) const;  // HoldsRows(position)
  // The next position is what CopyRowsTo has given of it, of another cache of this shape and type.
  // `end` is one past the last position that will be taken so in a row: what the rings would lose
  // until there is left out.
  void TakeRows(const std::byte* rows, int64_t end);

 private:
  struct Unmap {
    int64_t bytes;
    void operator()(void* memory) const;
  };
  // Calls fn(row) with each row of a position: keys and values, head by head, layer by layer.
  template <class Fn>
  void ForEachRow(int64_t position, const Fn& fn) const;

  int64_t num_key_value_heads_, head_dim_, window_;
  ops::KeyValueType type_;
  std::vector<int> source_;                // [layers]
  std::vector<ops::KeyValueSlots> slots_;  // [layers]; empty where the source is another layer
  int64_t ring_slots_ = 0;                 // the smallest capacity of a sliding layer; 0: no ring
  int64_t written_end_ = 0;                // one past the last position
  int64_t lost_before_ = 0;                // positions before it were overwritten in the rings
  int64_t bytes_ = 0, position_bytes_ = 0;
  std::unique_ptr<void, Unmap> memory_;
};

}  // namespace gemma3n
