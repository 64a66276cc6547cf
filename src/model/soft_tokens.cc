// SPDX-License-Identifier: Apache-2.0
#include "model/soft_tokens.h"

#include "kernels/rows.h"
#include "ops/gather.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

// normed [rows, width] -> out [rows, hidden]
void ProjectAndNorm(const MultimodalEmbedder& embedder, ops::ConstRows normed, ops::MutableRows out,
                    ThreadPool& pool) {
  ops::Linear(normed, embedder.embedding_projection, out, pool);
  ops::RmsNorm({out.data, out.rows, out.stride}, embedder.hidden_size(), embedder.eps, out, pool);
}

}  // namespace

void EmbedFeatures(const MultimodalEmbedder& embedder, ops::ConstRows features,
                   ops::MutableRows soft_tokens, ThreadPool& pool) {
  const int64_t width = embedder.width();
  Tensor normed({features.rows, width});
  for (int64_t row = 0; row < features.rows; ++row) {
    kernels::Scale(features.data + row * features.stride, embedder.feature_scale, width,
                   normed.row(row));
  }
  const ops::MutableRows rows{normed.data(), features.rows, width};
  ops::RmsNorm({rows.data, rows.rows, width}, embedder.soft_embedding_norm, embedder.eps, rows,
               pool);
  ProjectAndNorm(embedder, {rows.data, rows.rows, width}, soft_tokens, pool);
}

void EmbedModalityId(const MultimodalEmbedder& embedder, int32_t id, std::span<float> scratch,
                     std::span<float> out, ThreadPool& pool) {
  CHECK(embedder.Has(id));
  const std::span<float> row = scratch.first(embedder.width());
  ops::GatherRow(embedder.embedding, {.row = id - embedder.vocab_offset, .begin = 0}, row);
  kernels::RmsNorm(row.data(), embedder.hard_embedding_norm.data(), embedder.eps, row.size(),
                   row.data());
  ProjectAndNorm(embedder, {row.data(), 1, embedder.width()},
                 {out.data(), 1, embedder.hidden_size()}, pool);
}

}  // namespace gemma3n
