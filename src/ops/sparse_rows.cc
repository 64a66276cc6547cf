// SPDX-License-Identifier: Apache-2.0
#include "ops/sparse_rows.h"

#include <algorithm>

namespace gemma3n::ops {

void SparseRows::Compress(ConstRows x, int64_t width, ThreadPool& pool) {
  starts_.assign(x.rows + 1, 0);
  const auto row_of = [&](int64_t row) {
    return std::span(x.data + row * x.stride, static_cast<size_t>(width));
  };
  pool.ParallelFor(x.rows, [&](size_t row) {
    const std::span<const float> values = row_of(static_cast<int64_t>(row));
    starts_[row + 1] = width - std::count(values.begin(), values.end(), 0.0f);
  });
  for (int64_t row = 0; row < x.rows; ++row) starts_[row + 1] += starts_[row];
  columns_.Reserve(size());
  values_.Reserve(size());
  pool.ParallelFor(x.rows, [&](size_t row) {
    int64_t at = starts_[row];
    const std::span<const float> values = row_of(static_cast<int64_t>(row));
    for (size_t column = 0; column < values.size(); ++column) {
      if (values[column] == 0.0f) continue;
      columns_[at] = static_cast<int32_t>(column);
      values_[at++] = values[column];
    }
  });
}

}  // namespace gemma3n::ops
