// SPDX-License-Identifier: Apache-2.0
// The inner loops of attention on float32 rows: rotary positions, one block of a softmax, and the
// sum of value rows. One thread, raw pointers, no alignment needed.
#pragma once

#include <cstddef>

#include "kernels/float_dot.h"

namespace gemma3n::kernels {

// Turns every pair (x[i], x[i + half]) by the angle whose cosine and sine are given, i < half:
// the half-split form of rotary position embedding. In place.
void RotateHalves(const float* cos, const float* sin, size_t half, float* x);

// y[i] = e^(x[i] - max) over one block of scores, and what is needed to join blocks. -inf becomes
// 0; n >= 1 and not all of x may be -inf. y may be x. The bits depend on x and n alone.
struct SoftmaxPart {
  float max;
  float sum;  // of y
};
SoftmaxPart PartialSoftmax(const float* x, size_t n, float* y);

// y[r * y_stride + c] = sum over k of x[r * x_stride + k] * w[k * w_stride + c] for r < rows, c <
// cols, k < depth. Terms are added one after the other in the order of k, so a term of 0 changes
// nothing and a result does not depend on the rows beside it.
void WeightedSum(const float* x, const float* w, const TileShape& shape, float* y);

}  // namespace gemma3n::kernels
