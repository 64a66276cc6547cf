// SPDX-License-Identifier: Apache-2.0
// The positions under way in one pass through the layers, and what every part of a layer needs to
// know about them.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/thread_pool.h"
#include "model/observer.h"
#include "ops/linear.h"

namespace gemma3n {

struct Chunk {
  int64_t rows;            // consecutive positions
  int64_t first_position;  // of row 0
  int64_t rope_row;        // of the rotary tables, for row 0
  ThreadPool& pool;
  DecoderObserver* observer;  // may be null
  int layer = -1;             // the layer under way, for the observer

  // Keeps the last `count` rows only; buffers are moved by the caller.
  void KeepLast(int64_t count) {
    first_position += rows - count;
    rope_row += rows - count;
    rows = count;
  }

  void Observe(std::string_view name, const float* data, int64_t width) const {
    Observe(name, {data, rows, width}, width);
  }
  void Observe(std::string_view name, ops::ConstRows values, int64_t width) const {
    if (observer != nullptr) observer->Observe({name, layer, first_position, values, width});
  }

  // Calls fn(row) for every row; rows are shared out in pieces of 4.
  template <class Fn>
  void ForEachRow(const Fn& fn) const {
    constexpr int64_t kRowsPerPiece = 4;
    pool.ParallelFor((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
      const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
      const int64_t end = std::min(rows, begin + kRowsPerPiece);
      for (int64_t row = begin; row < end; ++row) fn(row);
    });
  }
};

}  // namespace gemma3n
