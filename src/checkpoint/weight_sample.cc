// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/weight_sample.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "gemma3n/error.h"
#include "tensor/blocks.h"

namespace gemma3n {
namespace {

constexpr int64_t kPiece = 2048;  // elements looked at in one place

struct Sample {
  const Checkpoint& checkpoint;
  const std::string& name;
  const TensorView& view;
};

// `values` are the elements from `begin` on.
void CheckFinite(const Sample& sample, int64_t begin, std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(ErrorKind::kModel, sample.checkpoint.FileOf(sample.name) + ": tensor '" +
                                       sample.name + "': expected finite weights, found " +
                                       (std::isnan(values[i]) ? "NaN" : "an infinity") +
                                       " at element " +
                                       std::to_string(begin + static_cast<int64_t>(i)) +
                                       "; is the download complete?");
  }
}

void CheckPiece(const Sample& sample, int64_t begin) {
  std::array<float, kPiece> values;
  const TensorView& view = sample.view;
  const int64_t count = std::min(kPiece, view.shape.NumElements() - begin);
  const size_t offset = static_cast<size_t>(begin) * ElementSize(view.dtype);
  const std::span<float> piece(values.data(), static_cast<size_t>(count));
  CopyToFloat({view.dtype, Shape({count}), view.data + offset}, piece);
  CheckFinite(sample, begin, piece);
}

// Of a quantized matrix, the first elements of a row.
void CheckPackedRow(const Sample& sample, int64_t row) {
  std::array<float, kPiece> values;
  const int64_t columns = sample.view.shape[1], count = std::min(kPiece, columns);
  packed::UnpackRow(sample.view.dtype, sample.view.data, columns, row, 0, count, values.data());
  CheckFinite(sample, row * columns, {values.data(), static_cast<size_t>(count)});
}

void CheckRowOfBlocks(const Sample& sample, int64_t row) {
  std::array<float, kPiece> values;
  const int64_t columns = sample.view.shape.back(), count = std::min(kPiece, columns);
  blocks::DecodeRow(sample.view.dtype, sample.view.data, columns, row, 0, count, values.data());
  CheckFinite(sample, row * columns, {values.data(), static_cast<size_t>(count)});
}

}  // namespace

void CheckSampleIsFinite(const Checkpoint& checkpoint,
                         const std::function<int64_t(const std::string& name)>& rows_read) {
  for (const std::string& name : checkpoint.Names()) {
    const int64_t rows = rows_read(name);
    if (rows == 0) continue;
    const TensorView whole = checkpoint.Find(name);
    const TensorView view = whole.shape.rank() == 0 ? whole : whole.Rows(0, rows);
    const Sample sample{checkpoint, name, view};
    if (IsBlocks(view.dtype)) {
      const int64_t last = view.shape.NumElements() / view.shape.back() - 1;
      for (int64_t row : {int64_t{0}, last / 2, last}) CheckRowOfBlocks(sample, row);
    } else if (IsPacked(view.dtype)) {
      const int64_t last = view.shape[0] - 1;
      for (int64_t row : {int64_t{0}, last / 2, last}) CheckPackedRow(sample, row);
    } else if (IsFloat(view.dtype)) {
      const int64_t last = std::max<int64_t>(0, view.shape.NumElements() - kPiece);
      for (int64_t begin : {int64_t{0}, last / 2, last}) CheckPiece(sample, begin);
    }
  }
}

}  // namespace gemma3n
