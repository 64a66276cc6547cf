// SPDX-License-Identifier: Apache-2.0
// LAuReL, the learned augmented residual layer (arXiv 2411.07501; Gemma3nTextLaurelBlock), in its
// low-rank form: out = x + norm(right (left x)).
#pragma once

#include <vector>

#include "model/chunk.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct LaurelWeights {
  TensorView linear_left;               // [laurel_rank, hidden]
  TensorView linear_right;              // [hidden, laurel_rank]
  std::vector<float> post_laurel_norm;  // [hidden]
};

// x [rows, hidden] and left [rows, laurel_rank], linear_left's product with it -> out [rows,
// hidden], which must not be x.
void Laurel(const LaurelWeights& weights, float eps, const float* x, const float* left,
            const Chunk& chunk, float* out);

}  // namespace gemma3n
