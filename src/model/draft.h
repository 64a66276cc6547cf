// SPDX-License-Identifier: Apache-2.0
// Positions that were computed at a small size and are to be finished at a larger one: what the
// layers that both share have left, up to the last one that writes keys and values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "model/altup.h"
#include "model/config.h"
#include "model/embedding.h"

namespace gemma3n {

class Draft {
 public:
  Draft(const TextConfig& config, int64_t most_rows);

  int64_t rows() const { return static_cast<int64_t>(inputs_.size()); }
  void Clear() { inputs_.clear(); }
  std::span<const DecoderInput> inputs() const { return inputs_; }

  // Row 0 of the streams and of the first hidden state [1, hidden] becomes the next row.
  void Keep(const DecoderInput& input, const Streams& h, const float* embedded);
  // All rows to the first rows of both.
  void Restore(const Streams& h, float* embedded) const;

 private:
  float* Row(int64_t row) { return memory_.data() + row * row_floats_; }

  int64_t most_rows_, hidden_, row_floats_;
  std::vector<DecoderInput> inputs_;
  AlignedBuffer<float> memory_;  // [rows, 1 + streams, hidden]: the first hidden state, the streams
};

}  // namespace gemma3n
