// SPDX-License-Identifier: Apache-2.0
// y = x W^T, the linear layer of PyTorch without bias, for weights of any stored type.
#pragma once

#include <cstddef>
#include <span>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace gemma3n::ops {

// Rows of floats `stride` apart (stride >= the width that is used).
struct ConstRows {
  const float* data;
  int64_t rows;
  int64_t stride;
};
struct MutableRows {
  float* data;
  int64_t rows;
  int64_t stride;
};

// x [rows, in] float32, weight [out, in] (f32, bf16, f16, or in tiles: packed_linear.h) -> y [rows,
// out], which must not overlap x. Accumulates in float32 in an order that depends on `in` alone:
// the bits of a row of y do not depend on how many rows there are, on the number of threads, or on
// which output columns are asked for.
void Linear(ConstRows x, const TensorView& weight, MutableRows y, ThreadPool& pool);

// The same with the first `columns` columns of weight [out, in], x [rows, columns]: the bits are
// those of a weight that has no others.
void LinearOfFirst(ConstRows x, const TensorView& weight, int64_t columns, MutableRows y,
                   ThreadPool& pool);

// The same for several weights [.., in] that meet the same x, in one go.
struct LinearPart {
  const TensorView& weight;
  MutableRows y;
};
void Linear(ConstRows x, std::span<const LinearPart> parts, ThreadPool& pool);

}  // namespace gemma3n::ops
