// SPDX-License-Identifier: Apache-2.0
#include "model/laurel.h"

#include "kernels/rows.h"

namespace gemma3n {

void Laurel(const LaurelWeights& weights, float eps, const float* x, const float* left,
            const Chunk& chunk, float* out) {
  const int64_t rank = weights.linear_left.shape[0], hidden = weights.linear_right.shape[0];
  chunk.Observe("laurel_low", left, rank);
  ops::Linear({left, chunk.rows, rank}, weights.linear_right, {out, chunk.rows, hidden},
              chunk.pool);
  chunk.ForEachRow([&](int64_t row) {
    float* y = out + row * hidden;
    kernels::AddRmsNorm(y, weights.post_laurel_norm.data(), eps, x + row * hidden, hidden, y);
  });
}

}  // namespace gemma3n
