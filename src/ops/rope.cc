// SPDX-License-Identifier: Apache-2.0
#include "ops/rope.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention.h"

namespace gemma3n::ops {
namespace {

constexpr int64_t kRowsPerPiece = 8;

// theta^(-2i / head_dim), rounded to float32 after the division, the power and the reciprocal.
std::vector<float> Frequencies(int64_t head_dim, double theta) {
  std::vector<float> frequencies(head_dim / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const double power = std::pow(double{static_cast<float>(theta)}, double{exponent});
    frequencies[i] = 1.0f / static_cast<float>(power);
  }
  return frequencies;
}

}  // namespace

RopeTable::RopeTable(int64_t head_dim, double theta, int64_t max_rows)
    : frequencies_(Frequencies(head_dim, theta)),
      cos_(max_rows * frequencies_.size()),
      sin_(max_rows * frequencies_.size()) {
  CHECK_EQ(head_dim % 2, 0);
}

void RopeTable::Fill(const Positions& positions, ThreadPool& pool) {
  const int64_t rows = positions.rows;
  CHECK_LE(static_cast<size_t>((positions.first_row + rows) * half()), cos_.size());
  pool.ParallelFor((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    const int64_t end = std::min(rows, begin + kRowsPerPiece);
    for (int64_t row = begin; row < end; ++row) {
      const float position = static_cast<float>(positions.first_position + row);
      const int64_t to = (positions.first_row + row) * half();
      for (int64_t i = 0; i < half(); ++i) {
        const double angle = double{position * frequencies_[i]};
        cos_[to + i] = static_cast<float>(std::cos(angle));
        sin_[to + i] = static_cast<float>(std::sin(angle));
      }
    }
  });
}

void Rope(const RopeTable& table, RopeRows heads, MutableRows x, ThreadPool& pool) {
  const int64_t head_dim = 2 * table.half();
  CHECK_LE(heads.num_heads * head_dim, x.stride);
  pool.ParallelFor((x.rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    const int64_t end = std::min(x.rows, begin + kRowsPerPiece);
    for (int64_t row = begin; row < end; ++row) {
      const float* cos = table.cos(heads.first_row + row);
      const float* sin = table.sin(heads.first_row + row);
      for (int64_t head = 0; head < heads.num_heads; ++head) {
        kernels::RotateHalves(cos, sin, table.half(), x.data + row * x.stride + head * head_dim);
      }
    }
  });
}

}  // namespace gemma3n::ops
