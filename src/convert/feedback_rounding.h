// SPDX-License-Identifier: Apache-2.0
// Rounding with error feedback: columns are rounded one after the other, and what is lost with one
// is made up for by those that follow, as far as their inputs go together.
//
// With the inputs' moments H = X^T X, the output's error of a row e (what was lost, for each
// column) is e H e^T. Write H = (U + I) D (U + I)^T with U strictly upper triangular and D
// diagonal. Then column k, moved by the sum over j < k of e_j U_jk before it is rounded, costs its
// own rounding error squared times D_k and no more. This is the rounding of GPTQ (arXiv 2210.17323)
// in the form of LDLQ (arXiv 2307.13304); the steps of our 4-bit groups are sought when their
// columns are reached, with D for what an error costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "convert/moments.h"
#include "tensor/dtype.h"

namespace gemma3n {

// The factors of one input's moments.
class Feedback {
 public:
  // `plain` times the mean moment is added on the diagonal: so much every column counts by itself,
  // whatever calibration showed of it; 0.01 is usual.
  Feedback(const Moments& moments, float plain, ThreadPool& pool);

  int64_t width() const { return width_; }
  int64_t block() const { return block_; }
  int64_t BlockOf(int64_t column) const { return column / block_ * block_; }
  // U_jk for j from the beginning of column k's block to k - 1, side by side.
  const float* Of(int64_t column) const { return factors_.data() + column * block_; }
  // D [width]: what the square of a column's own error costs.
  const float* cost() const { return cost_.data(); }

 private:
  bool Factor(const Moments& moments, int64_t begin, float added, ThreadPool& pool);

  int64_t width_, block_;
  std::vector<float> factors_;  // [width, block]
  std::vector<float> cost_;
};

// Rows [rows, columns] of a matrix that multiplies the input, or `columns` of it from
// `first_column` on, of any packed type; rows are a multiple of a tile's but for the last of the
// matrix. Writes whole units to `out`.
struct RowsToRound {
  DType dtype;
  int64_t rows, columns;
  const float* weights;
  int64_t first_column = 0;
};
void RoundRows(const RowsToRound& matrix, const Feedback& feedback, ThreadPool& pool,
               std::byte* out);

// Rows [first, first + rows) of a matrix in single rows that is multiplied from the other side: row
// n is what input n adds to the output, and errors of one row are made up for by later rows.
// `first` begins a block of the feedback; so does first + rows, but at the end.
struct NeuronsToRound {
  DType dtype;
  int64_t first, rows, columns;
  const float* weights;
};
void RoundNeurons(const NeuronsToRound& matrix, const Feedback& feedback, ThreadPool& pool,
                  std::byte* out);

}  // namespace gemma3n
