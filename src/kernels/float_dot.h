// SPDX-License-Identifier: Apache-2.0
// Tiles of dot products between float32 rows and weight rows of any stored float type.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace gemma3n::kernels {

// y[r * y_stride + c] = sum over k of x[r * x_stride + k] * w[c * w_stride + k] for r < rows, c <
// cols. Each sum runs over vector lanes along k and then over the lanes, the same for every tile
// shape, so a result depends on its own two rows alone. Strides count elements.
struct TileShape {
  size_t rows, cols, depth;
  size_t x_stride, w_stride, y_stride;
};
void DotTile(const float* x, const float* w, const TileShape& shape, float* y);
void DotTile(const float* x, const Bf16* w, const TileShape& shape, float* y);
void DotTile(const float* x, const F16* w, const TileShape& shape, float* y);

}  // namespace gemma3n::kernels
