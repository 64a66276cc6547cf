// SPDX-License-Identifier: Apache-2.0
#include "model/per_layer_embedding.h"

#include <algorithm>
#include <cmath>

#include "kernels/rows.h"
#include "ops/gather.h"

namespace gemma3n {

void PerLayerInputs(const PerLayerEmbeddingWeights& weights, float eps,
                    const PerLayerSource& source, const Chunk& chunk,
                    const PerLayerOutputs& outputs) {
  const int64_t width = weights.width(), rows = chunk.rows, hidden = source.embedded.stride;
  const float projection_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(hidden)));
  const float table_scale = static_cast<float>(std::sqrt(static_cast<double>(width)));
  const float input_scale = static_cast<float>(M_SQRT1_2);
  thread_local std::vector<ops::LinearPart> parts;  // a step allocates nothing
  parts.clear();
  parts.reserve(weights.num_layers());
  for (int layer : outputs.layers) {
    parts.push_back({weights.per_layer_model_projection[layer], {outputs.Of(layer), rows, width}});
  }
  ops::Linear(source.embedded, parts, chunk.pool);
  const auto finish = [&](int64_t row) {
    const int32_t id = source.inputs[row].id;
    const int64_t known = id >= 0 && id < weights.vocab_size ? id : 0;
    for (int layer : outputs.layers) {
      float* projected = outputs.Of(layer) + row * width;
      float* looked_up = outputs.scratch + row * width;
      const ops::RowPart part = IsPacked(weights.embed_tokens_per_layer.dtype)
                                    ? ops::RowPart{known * weights.num_layers() + layer, 0}
                                    : ops::RowPart{known, layer * width};
      ops::GatherRow(weights.embed_tokens_per_layer, part, {looked_up, static_cast<size_t>(width)});
      kernels::Scale(projected, projection_scale, width, projected);
      kernels::RmsNorm(projected, weights.per_layer_projection_norm.data(), eps, width, projected);
      kernels::AddScaled(looked_up, table_scale, width, projected);
      kernels::Scale(projected, input_scale, width, projected);
    }
  };
  // A token's rows are a few kilobytes that lie together, but the system maps what lies around them
  // too, up to 2 MiB: over a long context that would be the whole table.
  constexpr int64_t kMostMapped = 8;  // tokens
  thread_local int64_t mapped = 0;
  for (int64_t begin = 0; begin < rows; begin += kMostMapped) {
    const int64_t count = std::min(kMostMapped, rows - begin);
    chunk.pool.ParallelFor(count, [&](size_t i) { finish(begin + static_cast<int64_t>(i)); });
    mapped += count;
    if (mapped < kMostMapped || !weights.give_back) continue;
    weights.give_back();
    mapped = 0;
  }
}

}  // namespace gemma3n
