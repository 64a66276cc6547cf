// SPDX-License-Identifier: Apache-2.0
// Products with quantized matrices (tensor/packed.h). x is quantized to 8 bits, one scale for 128
// numbers; everything else is as in linear.h: the bits of a row of y depend on its own row of x
// alone, and not on the instruction set either.
#pragma once

#include "ops/linear.h"

namespace gemma3n::ops {

// Linear for a weight in tiles.
void TiledLinear(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool);

// y[i][n] = gates[i][n] != 0 ? dot(x[i], row n of weight) : 0, for a weight [out, in] in single
// rows; rows whose gates are all 0 are not read. y may be gates.
void GatedLinear(ConstRows x, const TensorView& weight, ConstRows gates, MutableRows y,
                 ThreadPool& pool);

// y[i] = sum over n, in order, of x[i][n] times row n of weight [in, out], kept in single rows.
// Rows for which x is 0 are not read.
void WeightedRowSum(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool);

}  // namespace gemma3n::ops
