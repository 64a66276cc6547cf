// SPDX-License-Identifier: Apache-2.0
#include "ops/norm.h"

#include <algorithm>

#include "kernels/rows.h"

namespace gemma3n::ops {
namespace {

constexpr int64_t kRowsPerPiece = 8;

void NormRows(ConstRows x, const float* weight, int64_t dim, float eps, MutableRows y,
              ThreadPool& pool) {
  CHECK_EQ(x.rows, y.rows);
  pool.ParallelFor((x.rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    const int64_t end = std::min(x.rows, begin + kRowsPerPiece);
    for (int64_t row = begin; row < end; ++row) {
      kernels::RmsNorm(x.data + row * x.stride, weight, eps, dim, y.data + row * y.stride);
    }
  });
}

}  // namespace

void RmsNorm(ConstRows x, std::span<const float> weight, float eps, MutableRows y,
             ThreadPool& pool) {
  NormRows(x, weight.data(), static_cast<int64_t>(weight.size()), eps, y, pool);
}

void RmsNorm(ConstRows x, int64_t dim, float eps, MutableRows y, ThreadPool& pool) {
  NormRows(x, nullptr, dim, eps, y, pool);
}

}  // namespace gemma3n::ops
