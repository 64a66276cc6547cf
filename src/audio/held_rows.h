// SPDX-License-Identifier: Apache-2.0
// The end of a sequence of rows that grows at its back: what a later stage has still to read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace gemma3n {

// Rows are counted from the beginning of the sequence, those that were let go included.
class HeldRows {
 public:
  explicit HeldRows(int64_t width) : width_(width) {}

  int64_t width() const { return width_; }
  int64_t end() const { return first_ + Count(); }
  // This row and, behind it, all that follow. It must be there.
  const float* row(int64_t index) const {
    CHECK(index >= first_ && index <= end());
    return rows_.data() + (index - first_) * width_;
  }
  // Room for that many more rows, zeros; until the next call.
  float* Append(int64_t rows) {
    const size_t before = rows_.size();
    rows_.resize(before + static_cast<size_t>(rows * width_));
    return rows_.data() + before;
  }
  // Lets go of the rows before this one, which need not be there yet, and of their memory.
  void DropBefore(int64_t row) {
    const int64_t dropped = std::min(row - first_, Count());
    if (dropped <= 0) return;
    rows_ = std::vector<float>(rows_.begin() + dropped * width_, rows_.end());
    first_ += dropped;
  }

 private:
  int64_t Count() const { return static_cast<int64_t>(rows_.size()) / width_; }

  int64_t width_;
  int64_t first_ = 0;  // of those that are held
  std::vector<float> rows_;
};

}  // namespace gemma3n
