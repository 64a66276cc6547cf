// SPDX-License-Identifier: Apache-2.0
#include "convert/feedback_rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "convert/rounding.h"
#include "kernels/float_dot.h"
#include "kernels/rows.h"

namespace gemma3n {
namespace {

using packed::kBlock;
using packed::kGroup;

constexpr int64_t kRowsAtOnce = 64;  // of a matrix: they share the factors that are read

bool IsFourBits(DType dtype) {
  return dtype == DType::kQ4Tiles || dtype == DType::kQ4Rows;
}

// Some rows of a matrix under way: weights, and what has been lost of each column so far.
class Batch {
 public:
  // Of the matrix, its columns and their first one's place among the feedback's.
  Batch(const Feedback& feedback, const RowsToRound& matrix, const float* weights, int64_t rows)
      : feedback_(feedback),
        weights_(weights),
        rows_(rows),
        columns_(matrix.columns),
        first_(matrix.first_column),
        lost_(static_cast<size_t>(rows * matrix.columns)),
        targets_(static_cast<size_t>(rows * kBlock)) {}

  std::vector<Row4> InFourBits() {
    std::vector<Row4> rounded(rows_, Row4(columns_));
    for (int64_t r = 0; r < rows_; ++r) rounded[r].scale = InitialScale(r);
    for (int64_t begin = 0; begin < columns_; begin += kGroup) {
      const int64_t count = std::min(kGroup, columns_ - begin);
      Aim(begin, count);
      for (int64_t r = 0; r < rows_; ++r) RoundGroup(r, begin, count, rounded[r]);
    }
    return rounded;
  }

  std::vector<Row8> InEightBits() {
    std::vector<Row8> rounded(rows_, Row8(columns_));
    for (int64_t begin = 0; begin < columns_; begin += kBlock) {
      const int64_t end = std::min(columns_, begin + kBlock);
      Aim(begin, end - begin);
      for (int64_t r = 0; r < rows_; ++r) {
        const float* target = Target(r);
        float largest = 0;
        for (int64_t k = 0; k < end - begin; ++k) {
          largest = std::max(largest, std::abs(target[k]));
        }
        rounded[r].scales[begin / kBlock] = largest > 1e-30f ? largest / 127.0f : 0.0f;
      }
      for (int64_t at = begin; at < end; at += kGroup) {
        const int64_t count = std::min(kGroup, end - at);
        Aim(at, count);
        for (int64_t r = 0; r < rows_; ++r) RoundGroup(r, at, count, rounded[r]);
      }
    }
    return rounded;
  }

 private:
  float* Target(int64_t r) { return targets_.data() + r * kBlock; }
  const float* CostOf(int64_t column) const { return feedback_.cost() + first_ + column; }
  // Where the columns begin that make up for each other; of those before first_ nothing is known.
  int64_t BlockOf(int64_t column) const {
    return std::max(int64_t{0}, feedback_.BlockOf(first_ + column) - first_);
  }
  // U_jk for j from BlockOf(k) on.
  const float* FactorsOf(int64_t column) const {
    const int64_t k = first_ + column;
    return feedback_.Of(k) + (first_ + BlockOf(column) - feedback_.BlockOf(k));
  }

  float InitialScale(int64_t r) const {
    const float* w = weights_ + r * columns_;
    std::vector<float> steps;
    for (int64_t k = 0; k < columns_; k += kGroup) {
      steps.push_back(BestStep(w + k, CostOf(k), std::min(kGroup, columns_ - k)));
    }
    return ScaleFor(steps);
  }

  // What columns [begin, begin + count) are to become: the weights, and what earlier columns lost.
  void Aim(int64_t begin, int64_t count) {
    const int64_t block = BlockOf(begin), earlier = begin - block;
    if (earlier > 0) {
      kernels::DotTile(lost_.data() + block, FactorsOf(begin),
                       {static_cast<size_t>(rows_), static_cast<size_t>(count),
                        static_cast<size_t>(earlier), static_cast<size_t>(columns_),
                        static_cast<size_t>(feedback_.block()), static_cast<size_t>(kBlock)},
                       targets_.data());
    } else {
      std::fill(targets_.begin(), targets_.end(), 0.0f);
    }
    for (int64_t r = 0; r < rows_; ++r) {
      kernels::Add(Target(r), weights_ + r * columns_ + begin, count, Target(r));
    }
  }

  // Column begin + k's target once the k columns before it in its group have lost `lost`.
  float Moved(int64_t begin, int64_t k, const float* target, const float* lost) const {
    const float* factors = FactorsOf(begin + k) + (begin - BlockOf(begin));
    float sum = target[k];
    for (int64_t j = 0; j < k; ++j) sum += lost[j] * factors[j];
    return sum;
  }

  // The group's cost with the step `scale * sub`; numbers and losses are left in the arrays.
  float TryStep(int64_t r, int64_t begin, int64_t count, float step, int8_t* numbers, float* lost) {
    const float* w = weights_ + r * columns_ + begin;
    const float inverse = step > 0 ? 1.0f / step : 0.0f;
    float cost = 0;
    for (int64_t k = 0; k < count; ++k) {
      const float target = Moved(begin, k, Target(r), lost);
      const float number = RoundedTo4Bits(target * inverse);
      numbers[k] = static_cast<int8_t>(number);
      lost[k] = w[k] - step * number;
      const float own = target - step * number;
      cost += CostOf(begin)[k] * (own * own);
    }
    return cost;
  }

  void RoundGroup(int64_t r, int64_t begin, int64_t count, Row4& row) {
    const float step = BestStep(Target(r), CostOf(begin), count);
    const int near = row.scale > 0 ? static_cast<int>(NearestInteger(step / row.scale)) : 0;
    float least = 0;
    bool first = true;
    const auto consider = [&](int sub) {
      int8_t numbers[kGroup];
      float lost[kGroup];
      const float cost =
          TryStep(r, begin, count, row.scale * static_cast<float>(sub), numbers, lost);
      if (!first && !(cost < least)) return;
      first = false;
      least = cost;
      row.subs[begin / kGroup] = static_cast<uint8_t>(sub);
      std::copy_n(numbers, count, row.numbers.begin() + begin);
      std::copy_n(lost, count, lost_.begin() + r * columns_ + begin);
    };
    consider(0);
    const int most = row.scale > 0 ? 15 : 0;
    for (int sub = std::clamp(near - 1, 1, 15); sub <= std::min(most, near + 1); ++sub) {
      consider(sub);
    }
    if (near > 15 && most == 15) consider(15);
  }

  void RoundGroup(int64_t r, int64_t begin, int64_t count, Row8& row) {
    const float* w = weights_ + r * columns_ + begin;
    float* lost = lost_.data() + r * columns_ + begin;
    const float step = row.scales[begin / kBlock], inverse = step > 0 ? 1.0f / step : 0.0f;
    for (int64_t k = 0; k < count; ++k) {
      const float number =
          std::clamp(NearestInteger(Moved(begin, k, Target(r), lost) * inverse), -127.0f, 127.0f);
      row.numbers[begin + k] = static_cast<int8_t>(number);
      lost[k] = w[k] - step * number;
    }
  }

  const Feedback& feedback_;
  const float* weights_;
  int64_t rows_, columns_, first_;
  std::vector<float> lost_;     // [rows, columns]: weight less its rounded value
  std::vector<float> targets_;  // [rows, kBlock]: of the columns under way
};

// The rounded values of one row.
void Widen(const Row4& row, int64_t columns, float* out) {
  for (int64_t k = 0; k < columns; ++k) {
    out[k] = row.scale * static_cast<float>(row.subs[k / kGroup] * row.numbers[k]);
  }
}
void Widen(const Row8& row, int64_t columns, float* out) {
  for (int64_t k = 0; k < columns; ++k) {
    out[k] = row.scales[k / kBlock] * static_cast<float>(row.numbers[k]);
  }
}

// `target` [columns] is rounded into `unit`; leaves in `rounded` what was made of it.
void RoundNeuron(DType dtype, const float* target, int64_t columns, std::byte* unit,
                 float* rounded) {
  const auto keep = [&](const auto& row) {
    Store(dtype, row, 0, unit);
    Widen(row, columns, rounded);
  };
  IsFourBits(dtype) ? keep(RoundTo4Bits(target, nullptr, columns))
                    : keep(RoundTo8Bits(target, columns));
}

}  // namespace

Feedback::Feedback(const Moments& moments, float plain, ThreadPool& pool)
    : width_(moments.width),
      block_(moments.block),
      factors_(moments.means.size()),
      cost_(static_cast<size_t>(moments.width)) {
  double sum = 0;
  for (int64_t k = 0; k < width_; ++k) sum += moments.means[k * block_ + k % block_];
  const float mean = static_cast<float>(sum / static_cast<double>(width_));
  for (int64_t begin = 0; begin < width_; begin += block_) {
    // No calibration, nothing to feed back: all columns count alike.
    float added = mean > 0 ? plain * mean : 1.0f;
    while (!Factor(moments, begin, added, pool)) added *= 10;
  }
}

// Block by block H = R R^T with R upper triangular, from the last column to the first; then
// U_jk = R_jk / R_kk and D_k = R_kk^2. False when rounding errors leave no positive diagonal.
bool Feedback::Factor(const Moments& moments, int64_t begin, float added, ThreadPool& pool) {
  const int64_t n = moments.BlockEnd(begin) - begin;
  constexpr int64_t kPiece = 64;  // rows of R
  std::vector<float> r(static_cast<size_t>(n * n));
  for (int64_t k = n; k-- > 0;) {
    const float* h = moments.means.data() + (begin + k) * block_;
    float* row = r.data() + k * n;
    const size_t beyond = static_cast<size_t>(n - 1 - k);
    const float* tail = row + k + 1;
    const float square = h[k] + added - kernels::SumOfSquares(tail, beyond);
    if (!(square > 0) || !std::isfinite(square)) return false;
    const float root = std::sqrt(square);
    row[k] = root;
    cost_[begin + k] = square;
    pool.ParallelFor((k + kPiece - 1) / kPiece, [&](size_t piece) {
      const int64_t from = static_cast<int64_t>(piece) * kPiece, to = std::min(k, from + kPiece);
      float products[kPiece] = {};
      if (beyond > 0) {
        kernels::DotTile(r.data() + from * n + k + 1, tail,
                         {static_cast<size_t>(to - from), 1, beyond, static_cast<size_t>(n),
                          static_cast<size_t>(n), 1},
                         products);
      }
      for (int64_t j = from; j < to; ++j) r[j * n + k] = (h[j] - products[j - from]) / root;
    });
  }
  pool.ParallelFor(n, [&](size_t i) {
    const int64_t k = static_cast<int64_t>(i);
    float* out = factors_.data() + (begin + k) * block_;
    for (int64_t j = 0; j < k; ++j) out[j] = r[j * n + k] / r[k * n + k];
  });
  return true;
}

void RoundRows(const RowsToRound& matrix, const Feedback& feedback, ThreadPool& pool,
               std::byte* out) {
  CHECK_LE(matrix.first_column + matrix.columns, feedback.width());
  const int64_t unit_rows = packed::IsTiled(matrix.dtype) ? packed::kTileRows : 1;
  const int64_t unit_bytes = packed::UnitBytes(matrix.dtype, matrix.columns);
  const int64_t units = (matrix.rows + unit_rows - 1) / unit_rows;
  std::memset(out, 0, static_cast<size_t>(units * unit_bytes));
  pool.ParallelFor((matrix.rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](size_t piece) {
    const int64_t first = static_cast<int64_t>(piece) * kRowsAtOnce;
    const int64_t count = std::min(kRowsAtOnce, matrix.rows - first);
    Batch batch(feedback, matrix, matrix.weights + first * matrix.columns, count);
    const auto store = [&](const auto& rows) {
      for (int64_t r = 0; r < count; ++r) {
        Store(matrix.dtype, rows[r], (first + r) % unit_rows,
              out + (first + r) / unit_rows * unit_bytes);
      }
    };
    IsFourBits(matrix.dtype) ? store(batch.InFourBits()) : store(batch.InEightBits());
  });
  // Rows that fill the last tile up are elements of 0, which are not bytes of 0.
  for (int64_t r = matrix.rows; r < units * unit_rows; ++r) {
    std::byte* unit = out + (units - 1) * unit_bytes;
    IsFourBits(matrix.dtype) ? Store(matrix.dtype, Row4(matrix.columns), r % unit_rows, unit)
                             : Store(matrix.dtype, Row8(matrix.columns), r % unit_rows, unit);
  }
}

void RoundNeurons(const NeuronsToRound& matrix, const Feedback& feedback, ThreadPool& pool,
                  std::byte* out) {
  CHECK_EQ(matrix.first % feedback.block(), 0);
  const int64_t columns = matrix.columns, block = feedback.block();
  const int64_t unit_bytes = packed::UnitBytes(matrix.dtype, columns);
  std::memset(out, 0, static_cast<size_t>(matrix.rows * unit_bytes));
  pool.ParallelFor((matrix.rows + block - 1) / block, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * block;
    const int64_t count = std::min(block, matrix.rows - begin);
    std::vector<float> lost(static_cast<size_t>(count * columns));
    std::vector<float> target(static_cast<size_t>(columns)), rounded(target.size());
    for (int64_t n = 0; n < count; ++n) {
      const float* w = matrix.weights + (begin + n) * columns;
      const float* factors = feedback.Of(matrix.first + begin + n);
      std::copy_n(w, columns, target.begin());
      for (int64_t j = 0; j < n; ++j) {
        if (factors[j] == 0) continue;
        kernels::AddScaled(lost.data() + j * columns, factors[j], columns, target.data());
      }
      RoundNeuron(matrix.dtype, target.data(), columns, out + (begin + n) * unit_bytes,
                  rounded.data());
      for (int64_t k = 0; k < columns; ++k) lost[n * columns + k] = w[k] - rounded[k];
    }
  });
}

}  // namespace gemma3n
