// SPDX-License-Identifier: Apache-2.0
#include "ops/gather.h"

#include <algorithm>

#include "kernels/float_dot.h"
#include "kernels/rows.h"
#include "tensor/blocks.h"

namespace gemma3n::ops {
namespace {

constexpr size_t kOutputsPerPiece = 16;  // 64 KiB of bf16 weights at 2048 inputs

// Calls fn with the first element of a float tensor, typed.
template <class Fn>
void WithElements(const TensorView& view, const Fn& fn) {
  switch (view.dtype) {
    case DType::kF32:
      return fn(view.as<float>());
    case DType::kBF16:
      return fn(view.as<Bf16>());
    case DType::kF16:
      return fn(view.as<F16>());
    default:
      CheckFailed(__FILE__, __LINE__, "gather: not a float tensor");
  }
}

}  // namespace

void GatherRow(const TensorView& table, RowPart part, std::span<float> out) {
  CHECK(0 <= part.row && part.row < table.shape[0]);
  CHECK_LE(part.begin + static_cast<int64_t>(out.size()), table.shape[1]);
  if (IsPacked(table.dtype)) {
    return packed::UnpackRow(table.dtype, table.data, table.shape[1], part.row, part.begin,
                             static_cast<int64_t>(out.size()), out.data());
  }
  if (IsBlocks(table.dtype)) {
    return blocks::DecodeRow(table.dtype, table.data, table.shape[1], part.row, part.begin,
                             static_cast<int64_t>(out.size()), out.data());
  }
  WithElements(table, [&](const auto* elements) {
    kernels::Widen(elements + part.row * table.shape[1] + part.begin, out.size(), out.data());
  });
}

void SelectedLinear(std::span<const float> x, const TensorView& weight,
                    std::span<const int32_t> outputs, std::span<float> y, ThreadPool& pool) {
  const size_t in = weight.shape[1];
  CHECK_EQ(x.size(), in);
  CHECK_LE(outputs.size(), y.size());
  WithElements(weight, [&](const auto* elements) {
    pool.ParallelFor((outputs.size() + kOutputsPerPiece - 1) / kOutputsPerPiece, [&](size_t piece) {
      const size_t begin = piece * kOutputsPerPiece;
      const size_t end = std::min(outputs.size(), begin + kOutputsPerPiece);
      for (size_t i = begin; i < end; ++i) {
        kernels::DotTile(x.data(), elements + outputs[i] * in, {1, 1, in, in, in, 1}, &y[i]);
      }
    });
  });
}

}  // namespace gemma3n::ops
