// SPDX-License-Identifier: Apache-2.0
// Attention of one layer (Gemma3nTextAttention): queries and keys are normalized with a weight,
// values without, before rotation; scores are not scaled. Layers that share read the cache of their
// source and have no key and value weights.
#pragma once

#include <span>
#include <vector>

#include "model/chunk.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "ops/rope.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct AttentionWeights {
  TensorView q_proj;          // [num_attention_heads * head_dim, hidden]
  TensorView k_proj, v_proj;  // [num_key_value_heads * head_dim, hidden]; empty in sharing layers
  TensorView o_proj;          // [hidden, num_attention_heads * head_dim]
  std::vector<float> q_norm;  // [head_dim]
  std::vector<float> k_norm;  // [head_dim]; empty in sharing layers
};

// Queries, keys and values are what the projections gave; they are normalized and rotated in place.
struct AttentionScratch {
  float* query;                                     // [rows, num_attention_heads * head_dim]
  float* attended;                                  // [rows, num_attention_heads * head_dim]
  float* key;                                       // [rows, num_key_value_heads * head_dim]
  float* value;                                     // [rows, num_key_value_heads * head_dim]
  std::vector<ops::QueryOfSequence>& lone_queries;  // has room for all rows
  const ops::RopeTable& rope;                       // of this layer's kind, filled for the chunk
};

// This layer's projected keys and values -> the caches of their sequences.
void StoreKeysValues(const TextConfig& config, const AttentionWeights& weights, const Chunk& chunk,
                     const AttentionScratch& scratch);

// Projected queries -> out [rows, hidden], from the keys and values that the caches hold.
void Attend(const TextConfig& config, const AttentionWeights& weights, const Chunk& chunk,
            const AttentionScratch& scratch, float* out);

}  // namespace gemma3n
