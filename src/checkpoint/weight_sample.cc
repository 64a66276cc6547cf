// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/weight_sample.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int64_t kPiece = 2048;  // elements looked at in one place

// The first element in [begin, begin + kPiece) that is not finite.
void CheckPiece(const Checkpoint& checkpoint, const std::string& name, const TensorView& view,
                int64_t begin) {
  std::array<float, kPiece> values;
  const int64_t count = std::min(kPiece, view.shape.NumElements() - begin);
  const size_t offset = static_cast<size_t>(begin) * ElementSize(view.dtype);
  const std::span<float> piece(values.data(), static_cast<size_t>(count));
  CopyToFloat({view.dtype, Shape({count}), view.data + offset}, piece);
  for (int64_t i = 0; i < count; ++i) {
    const float value = values[static_cast<size_t>(i)];
    if (std::isfinite(value)) continue;
    throw Error(ErrorKind::kModel, checkpoint.FileOf(name) + ": tensor '" + name +
                                       "': expected finite weights, found " +
                                       (std::isnan(value) ? "NaN" : "an infinity") +
                                       " at element " + std::to_string(begin + i) +
                                       "; is the download complete?");
  }
}

}  // namespace

void CheckSampleIsFinite(const Checkpoint& checkpoint) {
  for (const std::string& name : checkpoint.Names()) {
    const TensorView view = checkpoint.Find(name);
    if (view.dtype == DType::kI32) continue;
    const int64_t last = std::max<int64_t>(0, view.shape.NumElements() - kPiece);
    for (int64_t begin : {int64_t{0}, last / 2, last}) CheckPiece(checkpoint, name, view, begin);
  }
}

}  // namespace gemma3n
