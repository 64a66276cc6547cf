// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding (Gemma3nRotaryEmbedding, apply_rotary_pos_emb): position t turns the
// pair (x[i], x[i + head_dim / 2]) of every head by t * theta^(-2i / head_dim).
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "ops/linear.h"

namespace gemma3n::ops {

// Cosines and sines of up to max_rows positions, for one theta. Frequencies and angles
// are rounded to float32 as the reference rounds them; their cosines and sines are exact to that.
class RopeTable {
 public:
  // head_dim is even.
  RopeTable(int64_t head_dim, double theta, int64_t max_rows);

  // Row first_row + i of the table becomes position first_position + i, for i < rows; at most
  // max_rows rows in all.
  struct Positions {
    int64_t first_position;
    int64_t rows;
    int64_t first_row = 0;
  };
  void Fill(const Positions& positions, ThreadPool& pool);

  int64_t half() const { return static_cast<int64_t>(frequencies_.size()); }
  const float* cos(int64_t row) const { return cos_.data() + row * half(); }
  const float* sin(int64_t row) const { return sin_.data() + row * half(); }

 private:
  std::vector<float> frequencies_;  // [head_dim / 2], radians per position
  AlignedBuffer<float> cos_, sin_;  // [max_rows, head_dim / 2]
};

// Turns num_heads heads in each row of x [rows, num_heads * head_dim], in place. Row i of x stands
// at row first_row + i of the table.
struct RopeRows {
  int64_t num_heads;
  int64_t first_row;
};
void Rope(const RopeTable& table, RopeRows heads, MutableRows x, ThreadPool& pool);

}  // namespace gemma3n::ops
