// SPDX-License-Identifier: Apache-2.0
// Rounding of weights to the packed forms (tensor/packed.h). The same bytes on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/packed.h"

namespace gemma3n {

// Rounds a matrix piece by piece: `weights` are the floats [rows, columns] of one tile (at most 16
// rows; those that are missing become 0) or, of the single-row forms, of one row. Writes
// packed::UnitBytes(dtype, columns) bytes.
//
// 4 bits: for every 16 columns the scale with the least squared error among some is sought, then
// the row's scale and the sub-scales that come nearest to them. 8 bits: the largest of 128 columns
// becomes 127.
void RoundUnit(DType dtype, const float* weights, int64_t rows, int64_t columns, std::byte* out);

}  // namespace gemma3n
