// SPDX-License-Identifier: Apache-2.0
#include "convert/rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace gemma3n {
namespace {

using packed::kBlock;
using packed::kGroup;
using packed::kTileRows;

// Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even; |x| < 2^22.
float Nearest(float x) {
  constexpr float kRounder = 12582912.0f;
  return (x + kRounder) - kRounder;
}

float RoundedTo4Bits(float x) {
  return std::min(7.0f, std::max(-8.0f, Nearest(x)));
}

// The squared error of 16 weights as multiples of `step`.
float ErrorOf(const float* w, float step) {
  const float inverse = step > 0 ? 1.0f / step : 0.0f;
  float error = 0;
  for (int64_t k = 0; k < kGroup; ++k) {
    const float difference = w[k] - step * RoundedTo4Bits(w[k] * inverse);
    error += difference * difference;
  }
  return error;
}

float LargestOf(const float* w, int64_t n) {
  float largest = 0;
  for (int64_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(w[k]));
  return largest;
}

// The step with the least error of those that put the largest weight between 6 and 9 steps.
float BestStep(const float* w) {
  const float largest = LargestOf(w, kGroup);
  float best = 0, least = ErrorOf(w, 0);
  for (int i = 0; i <= 12; ++i) {
    const float step = largest / (6.0f + 0.25f * static_cast<float>(i));
    const float error = ErrorOf(w, step);
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

// One row in 4 bits, its columns padded with zeros to whole blocks.
struct RowQ4 {
  float scale = 0;
  std::vector<uint8_t> subs;    // a group each
  std::vector<int8_t> numbers;  // a column each

  explicit RowQ4(const std::vector<float>& w) : subs(w.size() / kGroup), numbers(w.size()) {
    std::vector<float> steps(subs.size());
    for (size_t g = 0; g < steps.size(); ++g) steps[g] = BestStep(w.data() + g * kGroup);
    const float widest = *std::max_element(steps.begin(), steps.end());
    if (!(widest > 0)) return;  // all zeros
    scale = widest / 15.0f;
    for (size_t g = 0; g < subs.size(); ++g) {
      subs[g] = BestSub(w.data() + g * kGroup, steps[g]);
      Round(w.data() + g * kGroup, g);
    }
    // With sub-scales and numbers as they are, the scale of least squared error.
    double products = 0, squares = 0;
    for (size_t k = 0; k < w.size(); ++k) {
      const double element = static_cast<double>(subs[k / kGroup]) * numbers[k];
      products += element * w[k];
      squares += element * element;
    }
    if (squares > 0) scale = static_cast<float>(products / squares);
  }

 private:
  uint8_t BestSub(const float* w, float step) const {
    const int near = static_cast<int>(Nearest(step / scale));
    int best = 0;
    float least = ErrorOf(w, 0);
    for (int sub = std::max(1, near - 1); sub <= std::min(15, near + 1); ++sub) {
      const float error = ErrorOf(w, scale * static_cast<float>(sub));
      if (error < least) {
        least = error;
        best = sub;
      }
    }
    return static_cast<uint8_t>(best);
  }
  void Round(const float* w, size_t g) {
    const float inverse = subs[g] ? 1.0f / (scale * static_cast<float>(subs[g])) : 0.0f;
    for (int64_t k = 0; k < kGroup; ++k) {
      numbers[g * kGroup + k] = static_cast<int8_t>(RoundedTo4Bits(w[k] * inverse));
    }
  }
};

// One row in 8 bits.
struct RowQ8 {
  std::vector<float> scales;    // a block each
  std::vector<int8_t> numbers;  // a column each

  explicit RowQ8(const std::vector<float>& w) : scales(w.size() / kBlock), numbers(w.size()) {
    for (size_t b = 0; b < scales.size(); ++b) {
      const float largest = LargestOf(w.data() + b * kBlock, kBlock);
      constexpr float kSmallest = 1e-30f;  // below it 127 / largest would not be finite
      if (!(largest > kSmallest)) continue;
      scales[b] = largest / 127.0f;
      for (size_t k = b * kBlock; k < (b + 1) * kBlock; ++k) {
        numbers[k] = static_cast<int8_t>(Nearest(w[k] * (127.0f / largest)));
      }
    }
  }
};

void Put(float value, std::byte* out) {
  std::memcpy(out, &value, sizeof(value));
}
void AddNibble(int value, bool high, std::byte* out) {
  *out |= static_cast<std::byte>(high ? value << 4 : value);
}

void PutIntoTile(const RowQ4& row, int64_t r, std::byte* tile) {
  Put(row.scale, tile + r * 4);
  for (int64_t k = 0; k < static_cast<int64_t>(row.numbers.size()); ++k) {
    std::byte* block = tile + packed::kScaleBytes + k / kBlock * packed::kQ4Block;
    const int64_t in = k % kBlock;
    if (in % kGroup == 0) AddNibble(row.subs[k / kGroup], r >= 8, block + in / kGroup * 8 + r % 8);
    AddNibble(row.numbers[k] + 8, in % 8 >= 4,
              block + packed::kScaleBytes + in / 8 * 64 + r * 4 + in % 4);
  }
}

void PutIntoTile(const RowQ8& row, int64_t r, std::byte* tile) {
  for (int64_t k = 0; k < static_cast<int64_t>(row.numbers.size()); ++k) {
    std::byte* block = tile + k / kBlock * packed::kQ8Block;
    const int64_t in = k % kBlock;
    if (in == 0) Put(row.scales[k / kBlock], block + r * 4);
    block[packed::kScaleBytes + in / 4 * 64 + r * 4 + in % 4] =
        static_cast<std::byte>(row.numbers[k] + 128);
  }
}

void PutAlone(const RowQ4& row, std::byte* out) {
  const int64_t blocks = static_cast<int64_t>(row.numbers.size()) / kBlock;
  Put(row.scale, out);
  for (int64_t k = 0; k < blocks * kBlock; ++k) {
    const int64_t block = k / kBlock, in = k % kBlock;
    if (in % kGroup == 0) {
      AddNibble(row.subs[k / kGroup], in >= 64, out + 4 + block * 4 + in % 64 / kGroup);
    }
    AddNibble(row.numbers[k] + 8, in >= 64, out + 4 + blocks * 4 + block * 64 + in % 64);
  }
}

void PutAlone(const RowQ8& row, std::byte* out) {
  const size_t blocks = row.scales.size();
  for (size_t b = 0; b < blocks; ++b) Put(row.scales[b], out + b * 4);
  for (size_t k = 0; k < row.numbers.size(); ++k) {
    out[blocks * 4 + k] = static_cast<std::byte>(row.numbers[k] + 128);
  }
}

}  // namespace

void RoundUnit(DType dtype, const float* weights, int64_t rows, int64_t columns, std::byte* out) {
  CHECK(IsPacked(dtype) && rows <= (packed::IsTiled(dtype) ? kTileRows : 1));
  std::memset(out, 0, static_cast<size_t>(packed::UnitBytes(dtype, columns)));
  std::vector<float> row(packed::Blocks(columns) * kBlock);
  const int64_t written = packed::IsTiled(dtype) ? kTileRows : 1;
  for (int64_t r = 0; r < written; ++r) {
    std::fill(row.begin(), row.end(), 0.0f);
    if (r < rows) std::copy_n(weights + r * columns, columns, row.begin());
    switch (dtype) {
      case DType::kQ4Tiles:
        PutIntoTile(RowQ4(row), r, out);
        break;
      case DType::kQ8Tiles:
        PutIntoTile(RowQ8(row), r, out);
        break;
      case DType::kQ4Rows:
        PutAlone(RowQ4(row), out);
        break;
      default:
        PutAlone(RowQ8(row), out);
    }
  }
}

}  // namespace gemma3n
