// SPDX-License-Identifier: Apache-2.0
#include "audio/local_attention.h"

#include <algorithm>
#include <vector>

#include "kernels/rows.h"

namespace gemma3n {

void LocalAttention(const Tensor& key, const Tensor& value, int64_t past,
                    const ConformerBlockWeights& weights, const AudioConfig& config,
                    ThreadPool& pool, Tensor& query) {
  const int64_t frames = query.shape()[0];
  const int64_t head_dim = config.head_dim();
  const int64_t before = config.attention_window - 1;  // rows of key and value
  CHECK_EQ(key.shape()[0], before + frames);
  CHECK_LE(past, before);
  pool.ParallelFor(frames, [&](size_t piece) {
    const int64_t frame = static_cast<int64_t>(piece);
    const int64_t keys = std::min(config.attention_window, past + frame + 1);
    thread_local std::vector<float> scaled, with_position, scores;
    scaled.resize(head_dim);
    with_position.resize(head_dim);
    scores.resize(config.attention_window);
    for (int64_t head = 0; head < config.num_attention_heads; ++head) {
      const int64_t at = head * head_dim;
      float* y = query.row(frame) + at;
      kernels::Multiply(y, weights.query_scale.data(), head_dim, scaled.data());
      for (int64_t distance = 0; distance < keys; ++distance) {
        // q.k + q.r, in one dot product.
        kernels::Add(key.row(before + frame - distance) + at,
                     weights.relative_positions.row(distance) + at, head_dim, with_position.data());
        scores[distance] = kernels::Dot(scaled.data(), with_position.data(), head_dim);
      }
      kernels::SoftCap(scores.data(), config.attention_logit_cap, keys, scores.data());
      kernels::Softmax(scores.data(), keys, scores.data());
      std::fill_n(y, head_dim, 0.0f);
      for (int64_t distance = 0; distance < keys; ++distance) {
        kernels::AddScaled(value.row(before + frame - distance) + at, scores[distance], head_dim,
                           y);
      }
    }
  });
}

}  // namespace gemma3n
