// SPDX-License-Identifier: Apache-2.0
// The positions under way in one pass through the layers, and what every part of a layer needs to
// know about them.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/thread_pool.h"
#include "model/observer.h"
#include "ops/linear.h"

namespace gemma3n {

class KvCache;

// Consecutive positions of one sequence.
struct SequenceRows {
  int64_t rows;
  int64_t first_position;
  KvCache* cache;
  std::span<float> softmax_scratch;  // ops::AttentionScratchFloats for the sequence's context
};

struct Chunk {
  int64_t rows;                       // of all sequences
  std::span<SequenceRows> sequences;  // in the order of their rows
  int64_t rope_row;                   // of the rotary tables, for row 0
  ThreadPool& pool;
  DecoderObserver* observer;  // may be null; sees one sequence
  int layer = -1;             // the layer under way, for the observer

  // Keeps the last `count` rows of the only sequence; buffers are moved by the caller.
  void KeepLast(int64_t count) {
    CHECK_EQ(sequences.size(), size_t{1});
    sequences[0].first_position += rows - count;
    sequences[0].rows = count;
    rope_row += rows - count;
    rows = count;
  }

  void Observe(std::string_view name, const float* data, int64_t width) const {
    Observe(name, {data, rows, width}, width);
  }
  void Observe(std::string_view name, ops::ConstRows values, int64_t width) const {
    if (observer == nullptr) return;
    observer->Observe({name, layer, sequences[0].first_position, values, width});
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
