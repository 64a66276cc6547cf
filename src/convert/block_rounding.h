// SPDX-License-Identifier: Apache-2.0
// Rounding of weights to the element types of GGUF files (tensor/blocks.h). The same bytes on every
// machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gemma3n {

enum class Fit { kFits, kTooLarge, kNotFinite };

// Writes one row of `columns` floats as F32, F16, BF16, Q8_0, Q4_0 or Q6_K; columns are a multiple
// of the type's block. What does not fit is told, and `out` then holds nothing useful: weights that
// are not finite, weights beyond F16, and blocks whose scale is.
//
// Q8_0: the largest of 32 becomes 127. Q4_0: the largest keeps its sign and side (-8), and of 10
// scales for 32 weights the one with the least squared error is taken, then its numbers' best one.
// Q6_K: the same for 16 weights with one of 5 scales, which are rounded to 8 bits of a scale for
// 256.
Fit RoundRow(DType dtype, const float* row, int64_t columns, std::byte* out);

}  // namespace gemma3n
