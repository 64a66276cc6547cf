// SPDX-License-Identifier: Apache-2.0
// The feed-forward part of a layer (Gemma3nTextMLP): down(GELU(gate x) * up x), where sparse layers
// keep only the gates that lie far above their mean (Gaussian top-k, as in Spark Transformer).
#pragma once

#include <span>

#include "model/chunk.h"
#include "ops/sparse_rows.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct FeedForwardWeights {
  TensorView gate_proj;  // [intermediate, hidden]
  TensorView up_proj;    // [intermediate, hidden]
  TensorView down_proj;  // [hidden, intermediate]; it may have more columns, which are not read
  bool sparse = false;
  float cutoff_deviations = 0;  // sparse: how many standard deviations above the mean survive
  // Instead of up_proj and down_proj, in sparse layers of packed files: a row for each neuron.
  TensorView up_rows;    // [intermediate, hidden]
  TensorView down_rows;  // [intermediate, hidden]
  // Instead of down_proj, in dense layers of packed files: [intermediate / step * hidden, step], in
  // steps of neurons of which the first may be read alone (ops/packed_linear.h).
  TensorView down_steps;
};

// The inverse of the normal distribution's cumulative function at `sparsity`, evaluated in float32
// as the reference does: 1.6448536 for 0.95. 0 < sparsity <= 1.
float CutoffDeviations(float sparsity);

struct FeedForwardScratch {
  float* gate;                // [rows, intermediate]
  float* up;                  // [rows, intermediate]
  std::span<int32_t> active;  // [intermediate]
  ops::SparseRows& survivors;
  AlignedBuffer<float>& survivors_up;
};

// x [rows, hidden] -> out [rows, hidden], which must not be x. A single row of a sparse layer reads
// only the rows of up_proj whose gates survive; the bits are the same.
void FeedForward(const FeedForwardWeights& weights, const float* x, const Chunk& chunk,
                 const FeedForwardScratch& scratch, float* out);

}  // namespace gemma3n
