// SPDX-License-Identifier: Apache-2.0
// The fastest products of floats and the fastest reading, on the instruction set that the float
// kernels use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma3n {

int FloatLanes();
// `trips` times twelve independent fused multiply-adds of FloatLanes() floats.
void FloatProducts(int64_t trips);
// Reads n floats and does as little with them as can be: one addition each.
float ReadFloats(const float* x, size_t n);

}  // namespace gemma3n
