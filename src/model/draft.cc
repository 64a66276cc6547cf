// SPDX-License-Identifier: Apache-2.0
#include "model/draft.h"

#include <algorithm>

#include "base/check.h"

namespace gemma3n {

Draft::Draft(const TextConfig& config, int64_t most_rows)
    : most_rows_(most_rows),
      hidden_(config.hidden_size),
      row_floats_((1 + config.altup_num_inputs) * config.hidden_size) {
  inputs_.reserve(static_cast<size_t>(most_rows));
  memory_.Resize(static_cast<size_t>(most_rows * row_floats_));
}

void Draft::Keep(const DecoderInput& input, const Streams& h, const float* embedded) {
  CHECK_LT(rows(), most_rows_);
  float* to = Row(rows());
  std::copy_n(embedded, hidden_, to);
  for (int64_t k = 0; k < h.count; ++k) std::copy_n(h.row(k, 0), hidden_, to + (1 + k) * hidden_);
  inputs_.push_back(input);
}

void Draft::Restore(const Streams& h, float* embedded) const {
  for (int64_t row = 0; row < rows(); ++row) {
    const float* from = memory_.data() + row * row_floats_;
    std::copy_n(from, hidden_, embedded + row * hidden_);
    for (int64_t k = 0; k < h.count; ++k) {
      std::copy_n(from + (1 + k) * hidden_, hidden_, h.row(k, row));
    }
  }
}

}  // namespace gemma3n
