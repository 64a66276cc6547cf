// SPDX-License-Identifier: Apache-2.0
// Causal attention with grouped key/value heads and, on some layers, a sliding window
// (eager_attention_forward with scaling 1 and no cap on the scores).
//
// Keys are taken in blocks of 64 positions that begin at multiples of 64. Each block gives a
// maximum, a sum and a weighted sum of values; these are joined in the order of positions. What a
// query sees of a block depends on its position alone, so the bits do not depend on how many
// queries there are, how long the cache is or how many threads work.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "ops/key_value_rows.h"
#include "ops/linear.h"

namespace gemma3n::ops {

inline constexpr int64_t kKeysPerBlock = 64;

struct AttentionShape {
  int64_t num_attention_heads;
  int64_t num_key_value_heads;  // divides num_attention_heads
  int64_t head_dim;
  int64_t window;  // how many keys a query sees, its own included; 0: all before it
};

// The keys and values of position p stand at slot p % capacity. capacity is a multiple of
// kKeysPerBlock; unused slots hold finite numbers.
struct KeyValueSlots {
  const std::byte* keys;    // [num_key_value_heads, capacity] rows of head_dim
  const std::byte* values;  // the same
  int64_t capacity;
  KeyValueType type = KeyValueType::kF32;
};

// How much scratch a query needs that sees up to max_keys keys.
size_t AttentionScratchFloats(const AttentionShape& shape, int64_t max_keys);

// queries [rows, num_attention_heads * head_dim] at positions first_position, first_position + 1...
// whose own keys and values are in the slots already -> out, the same shape. All keys that they may
// see are still in their slots.
struct AttentionQueries {
  ConstRows rows;
  int64_t first_position;
};
void CausalAttention(const AttentionQueries& queries, const KeyValueSlots& slots,
                     const AttentionShape& shape, MutableRows out, ThreadPool& pool);

// The same bits for one query each of several sequences, whose work is shared out together. A
// single sequence has as many pieces as it has blocks of keys, so this is also the way of a decode
// step.
struct QueryOfSequence {
  const float* query;  // [num_attention_heads * head_dim]
  int64_t position;
  KeyValueSlots slots;
  std::span<float> scratch;  // its own, for all keys that it sees
  float* out;                // [num_attention_heads * head_dim]
};
void OneQueryEach(std::span<const QueryOfSequence> queries, const AttentionShape& shape,
                  ThreadPool& pool);

}  // namespace gemma3n::ops
