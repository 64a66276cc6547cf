// SPDX-License-Identifier: Apache-2.0
// Rows picked out of a matrix by number: table look-ups, and linear layers of which only some
// outputs are wanted.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace gemma3n::ops {

// Elements [begin, begin + out.size()) of one row of table [rows, width], of any type,
// widened to float32.
struct RowPart {
  int64_t row;
  int64_t begin;
};
void GatherRow(const TensorView& table, RowPart part, std::span<float> out);

// y[i] = dot(x, row outputs[i] of weight [out, in]), bit for bit what Linear gives for that output.
void SelectedLinear(std::span<const float> x, const TensorView& weight,
                    std::span<const int32_t> outputs, std::span<float> y, ThreadPool& pool);

}  // namespace gemma3n::ops
