// SPDX-License-Identifier: Apache-2.0
#include "model/attention.h"

#include "ops/norm.h"

namespace gemma3n {
namespace {

// The heads of x [rows, heads * head_dim] as rows of their own.
ops::MutableRows Heads(float* x, int64_t rows, int64_t heads, int64_t head_dim) {
  return {x, rows * heads, head_dim};
}
ops::ConstRows AsConst(ops::MutableRows rows) {
  return {rows.data, rows.rows, rows.stride};
}

}  // namespace

void StoreKeysValues(const TextConfig& config, const AttentionWeights& weights, const Chunk& chunk,
                     const AttentionScratch& scratch) {
  const int64_t heads = config.num_key_value_heads, width = heads * config.head_dim;
  const float eps = config.rms_norm_eps;
  const ops::MutableRows keys{scratch.key, chunk.rows, width};
  const ops::MutableRows values{scratch.value, chunk.rows, width};
  const ops::MutableRows key_heads = Heads(scratch.key, chunk.rows, heads, config.head_dim);
  const ops::MutableRows value_heads = Heads(scratch.value, chunk.rows, heads, config.head_dim);
  ops::RmsNorm(AsConst(key_heads), weights.k_norm, eps, key_heads, chunk.pool);
  ops::RmsNorm(AsConst(value_heads), config.head_dim, eps, value_heads, chunk.pool);
  ops::Rope(scratch.rope, {.num_heads = heads, .first_row = chunk.rope_row}, keys, chunk.pool);
  chunk.Observe("key", scratch.key, width);
  chunk.Observe("value", scratch.value, width);
  int64_t row = 0;
  for (const SequenceRows& sequence : chunk.sequences) {
    sequence.cache->Store(chunk.layer, sequence.first_position,
                          {keys.data + row * width, sequence.rows, width},
                          {values.data + row * width, sequence.rows, width});
    row += sequence.rows;
  }
}

void Attend(const TextConfig& config, const AttentionWeights& weights, const Chunk& chunk,
            const AttentionScratch& scratch, float* out) {
  const int64_t heads = config.num_attention_heads, width = heads * config.head_dim;
  const ops::MutableRows queries{scratch.query, chunk.rows, width};
  const ops::MutableRows attended{scratch.attended, chunk.rows, width};
  const ops::MutableRows query_heads = Heads(scratch.query, chunk.rows, heads, config.head_dim);
  ops::RmsNorm(AsConst(query_heads), weights.q_norm, config.rms_norm_eps, query_heads, chunk.pool);
  ops::Rope(scratch.rope, {.num_heads = heads, .first_row = chunk.rope_row}, queries, chunk.pool);
  chunk.Observe("query", scratch.query, width);
  const ops::AttentionShape shape{
      .num_attention_heads = heads,
      .num_key_value_heads = config.num_key_value_heads,
      .head_dim = config.head_dim,
      .window = config.is_sliding(chunk.layer) ? config.sliding_window : 0,
  };
  scratch.lone_queries.clear();
  int64_t row = 0;
  for (const SequenceRows& sequence : chunk.sequences) {
    const ops::KeyValueSlots& slots = sequence.cache->Slots(chunk.layer);
    const float* query = scratch.query + row * width;
    float* to = scratch.attended + row * width;
    if (sequence.rows == 1) {
      scratch.lone_queries.push_back(
          {query, sequence.first_position, slots, sequence.softmax_scratch, to});
    } else {
      ops::CausalAttention({{query, sequence.rows, width}, sequence.first_position}, slots, shape,
                           {to, sequence.rows, width}, chunk.pool);
    }
    row += sequence.rows;
  }
  ops::OneQueryEach(scratch.lone_queries, shape, chunk.pool);
  chunk.Observe("attended", scratch.attended, width);
  ops::Linear(AsConst(attended), weights.o_proj, {out, chunk.rows, config.hidden_size}, chunk.pool);
}

}  // namespace gemma3n
