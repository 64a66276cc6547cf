// SPDX-License-Identifier: Apache-2.0
// Products with quantized matrices (tensor/packed.h). x is quantized to 8 bits, one scale for 128
// numbers; everything else is as in linear.h: the bits of a row of y depend on its own row of x
// alone, and not on the instruction set either.
#pragma once

#include <span>

#include "ops/linear.h"
#include "ops/sparse_rows.h"

namespace gemma3n::ops {

// Linear for weights in tiles, all [.., in]: x is quantized once, and all of it is one loop.
void TiledLinear(ConstRows x, std::span<const LinearPart> parts, ThreadPool& pool);

// LinearOfFirst for a weight in tiles; `columns` is a multiple of 128, or all of them.
void TiledLinearOfFirst(ConstRows x, const TensorView& weight, int64_t columns, MutableRows y,
                        ThreadPool& pool);

// y = x W^T for W [out, in] that lies in steps: `weight` [in / step * out, step], in tiles, where
// row s * out + r is what row r of W has in the columns from s * step on. `step` is a multiple of
// 128, `out` of 16. Steps are added in order. Fewer columns of W are fewer rows of `weight`.
void SteppedLinear(ConstRows x, const TensorView& weight, MutableRows y, int64_t out,
                   ThreadPool& pool);

// y[e] = dot(x[i], row n of weight) for every entry e of `selected` [x.rows, out], where i and n
// are its row and column; weight [out, in] is in single rows, of which the others are not read.
void SelectedProducts(ConstRows x, const TensorView& weight, const SparseRows& selected,
                      std::span<float> y, ThreadPool& pool);

// y[i] = sum over n, in order, of x[i][n] times row n of weight [in, out], kept in single rows.
// Rows for which x is 0 are not read.
void WeightedRowSum(const SparseRows& x, const TensorView& weight, MutableRows y, ThreadPool& pool);

}  // namespace gemma3n::ops
