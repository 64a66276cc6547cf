// SPDX-License-Identifier: Apache-2.0
// The entries of a matrix that are not 0: row after row, in the order of their columns.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "ops/linear.h"

namespace gemma3n::ops {

// Keeps its memory from one matrix to the next.
class SparseRows {
 public:
  // Takes over the entries of x [rows, width].
  void Compress(ConstRows x, int64_t width, ThreadPool& pool);

  int64_t rows() const { return static_cast<int64_t>(starts_.size()) - 1; }
  int64_t count() const { return starts_.back(); }
  // The entries of a row are those from begin(row) to end(row).
  int64_t begin(int64_t row) const { return starts_[row]; }
  int64_t end(int64_t row) const { return starts_[row + 1]; }
  std::span<const int32_t> columns() const { return {columns_.data(), size()}; }
  std::span<const float> values() const { return {values_.data(), size()}; }
  std::span<float> values() { return {values_.data(), size()}; }

 private:
  size_t size() const { return static_cast<size_t>(count()); }

  std::vector<int64_t> starts_ = {0};  // [rows + 1]
  AlignedBuffer<int32_t> columns_;
  AlignedBuffer<float> values_;
};

}  // namespace gemma3n::ops
