// SPDX-License-Identifier: Apache-2.0
#include "model/per_layer_embedding.h"

#include <cmath>

#include "kernels/rows.h"
#include "ops/gather.h"

namespace gemma3n {

// `scratch` [rows, width] takes the table's rows.
void PerLayerInput(const PerLayerEmbeddingWeights& weights, float eps, const PerLayerSource& source,
                   const Chunk& chunk, float* scratch, float* out) {
  const TensorView& projection = weights.per_layer_model_projection[chunk.layer];
  const int64_t width = weights.width(), hidden = projection.shape[1];
  const float projection_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(hidden)));
  const float table_scale = static_cast<float>(std::sqrt(static_cast<double>(width)));
  const float input_scale = static_cast<float>(M_SQRT1_2);
  ops::Linear({source.embedded, chunk.rows, hidden}, projection, {out, chunk.rows, width},
              chunk.pool);
  chunk.ForEachRow([&](int64_t row) {
    float* projected = out + row * width;
    float* looked_up = scratch + row * width;
    const int32_t id = source.inputs[row].id;
    const int64_t known = id >= 0 && id < weights.vocab_size ? id : 0;
    const ops::RowPart part = IsPacked(weights.embed_tokens_per_layer.dtype)
                                  ? ops::RowPart{known * weights.num_layers() + chunk.layer, 0}
                                  : ops::RowPart{known, chunk.layer * width};
    ops::GatherRow(weights.embed_tokens_per_layer, part, {looked_up, static_cast<size_t>(width)});
    kernels::Scale(projected, projection_scale, width, projected);
    kernels::RmsNorm(projected, weights.per_layer_projection_norm.data(), eps, width, projected);
    kernels::AddScaled(looked_up, table_scale, width, projected);
    kernels::Scale(projected, input_scale, width, projected);
  });
  chunk.Observe("per_layer_input", out, width);
}

}  // namespace gemma3n
