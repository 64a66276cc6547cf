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

// The squared error of weights as multiples of `step`.
float ErrorOf(const float* w, const float* importance, int64_t count, float step) {
  const float inverse = step > 0 ? 1.0f / step : 0.0f;
  float error = 0;
  for (int64_t k = 0; k < count; ++k) {
    const float difference = w[k] - step * RoundedTo4Bits(w[k] * inverse);
    error += importance[k] * (difference * difference);
  }
  return error;
}

constexpr float kAllAlike[kGroup] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

float LargestOf(const float* w, int64_t n) {
  float largest = 0;
  for (int64_t k = 0; k < n; ++k) largest = std::max(largest, std::abs(w[k]));
  return largest;
}

// A group's weights and what their errors count.
struct Group {
  const float* weights;
  const float* importance;
  int64_t count;
};

uint8_t BestSub(const Group& group, float step, float scale) {
  const auto error = [&](float s) {
    return ErrorOf(group.weights, group.importance, group.count, s);
  };
  const int near = static_cast<int>(NearestInteger(step / scale));
  int best = 0;
  float least = error(0);
  for (int sub = std::max(1, near - 1); sub <= std::min(15, near + 1); ++sub) {
    const float found = error(scale * static_cast<float>(sub));
    if (found < least) {
      least = found;
      best = sub;
    }
  }
  return static_cast<uint8_t>(best);
}

void Put(float value, std::byte* out) {
  std::memcpy(out, &value, sizeof(value));
}
void AddNibble(int value, bool high, std::byte* out) {
  *out |= static_cast<std::byte>(high ? value << 4 : value);
}

void PutIntoTile(const Row4& row, int64_t r, std::byte* tile) {
  Put(row.scale, tile + r * 4);
  for (int64_t k = 0; k < static_cast<int64_t>(row.numbers.size()); ++k) {
    std::byte* block = tile + packed::kScaleBytes + k / kBlock * packed::kQ4Block;
    const int64_t in = k % kBlock;
    if (in % kGroup == 0) AddNibble(row.subs[k / kGroup], r >= 8, block + in / kGroup * 8 + r % 8);
    AddNibble(row.numbers[k] + 8, in % 8 >= 4,
              block + packed::kScaleBytes + in / 8 * 64 + r * 4 + in % 4);
  }
}

void PutIntoTile(const Row8& row, int64_t r, std::byte* tile) {
  for (int64_t k = 0; k < static_cast<int64_t>(row.numbers.size()); ++k) {
    std::byte* block = tile + k / kBlock * packed::kQ8Block;
    const int64_t in = k % kBlock;
    if (in == 0) Put(row.scales[k / kBlock], block + r * 4);
    block[packed::kScaleBytes + in / 4 * 64 + r * 4 + in % 4] =
        static_cast<std::byte>(row.numbers[k] + 128);
  }
}

void PutAlone(const Row4& row, std::byte* out) {
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

void PutAlone(const Row8& row, std::byte* out) {
  const size_t blocks = row.scales.size();
  for (size_t b = 0; b < blocks; ++b) Put(row.scales[b], out + b * 4);
  for (size_t k = 0; k < row.numbers.size(); ++k) {
    out[blocks * 4 + k] = static_cast<std::byte>(row.numbers[k] + 128);
  }
}

}  // namespace

float BestStep(const float* weights, const float* importance, int64_t count) {
  if (importance == nullptr) importance = kAllAlike;
  const float largest = LargestOf(weights, count);
  float best = 0, least = ErrorOf(weights, importance, count, 0);
  for (int i = 0; i <= 12; ++i) {
    const float step = largest / (6.0f + 0.25f * static_cast<float>(i));
    const float error = ErrorOf(weights, importance, count, step);
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

float ScaleFor(std::span<const float> steps) {
  return *std::max_element(steps.begin(), steps.end()) / 15.0f;
}

Row4 RoundTo4Bits(const float* weights, const float* importance, int64_t columns) {
  Row4 row(columns);
  std::vector<float> steps((columns + kGroup - 1) / kGroup);
  const auto group = [&](size_t g) {
    const int64_t begin = static_cast<int64_t>(g) * kGroup;
    return Group{weights + begin, importance != nullptr ? importance + begin : kAllAlike,
                 std::min(kGroup, columns - begin)};
  };
  for (size_t g = 0; g < steps.size(); ++g) {
    steps[g] = BestStep(group(g).weights, group(g).importance, group(g).count);
  }
  row.scale = ScaleFor(steps);
  if (!(row.scale > 0)) return Row4(columns);  // all zeros
  for (size_t g = 0; g < steps.size(); ++g) {
    row.subs[g] = BestSub(group(g), steps[g], row.scale);
    const float inverse = row.subs[g] ? 1.0f / (row.scale * static_cast<float>(row.subs[g])) : 0.0f;
    for (int64_t k = 0; k < group(g).count; ++k) {
      row.numbers[g * kGroup + k] =
          static_cast<int8_t>(RoundedTo4Bits(group(g).weights[k] * inverse));
    }
  }
  // With sub-scales and numbers as they are, the scale of least squared error.
  double products = 0, squares = 0;
  for (int64_t k = 0; k < columns; ++k) {
    const double element = static_cast<double>(row.subs[k / kGroup]) * row.numbers[k];
    const double counts = importance != nullptr ? importance[k] : 1.0;
    products += counts * (element * weights[k]);
    squares += counts * (element * element);
  }
  if (squares > 0) row.scale = static_cast<float>(products / squares);
  return row;
}

Row8 RoundTo8Bits(const float* weights, int64_t columns) {
  Row8 row(columns);
  for (size_t b = 0; b < row.scales.size(); ++b) {
    const int64_t begin = static_cast<int64_t>(b) * kBlock;
    const int64_t end = std::min(columns, begin + kBlock);
    const float largest = LargestOf(weights + begin, end - begin);
    constexpr float kSmallest = 1e-30f;  // below it 127 / largest would not be finite
    if (!(largest > kSmallest)) continue;
    row.scales[b] = largest / 127.0f;
    for (int64_t k = begin; k < end; ++k) {
      row.numbers[k] = static_cast<int8_t>(NearestInteger(weights[k] * (127.0f / largest)));
    }
  }
  return row;
}

void Store(DType dtype, const Row4& row, int64_t r, std::byte* unit) {
  CHECK(dtype == DType::kQ4Tiles || dtype == DType::kQ4Rows);
  dtype == DType::kQ4Tiles ? PutIntoTile(row, r, unit) : PutAlone(row, unit);
}

void Store(DType dtype, const Row8& row, int64_t r, std::byte* unit) {
  CHECK(dtype == DType::kQ8Tiles || dtype == DType::kQ8Rows);
  dtype == DType::kQ8Tiles ? PutIntoTile(row, r, unit) : PutAlone(row, unit);
}

void RoundUnit(const UnitToRound& unit, std::byte* out) {
  const DType dtype = unit.dtype;
  const int64_t columns = unit.columns;
  CHECK(IsPacked(dtype) && unit.rows <= (packed::IsTiled(dtype) ? kTileRows : 1));
  std::memset(out, 0, static_cast<size_t>(packed::UnitBytes(dtype, columns)));
  const bool four = dtype == DType::kQ4Tiles || dtype == DType::kQ4Rows;
  const int64_t written = packed::IsTiled(dtype) ? kTileRows : 1;
  const std::vector<float> zeros(unit.rows < written ? columns : 0);
  for (int64_t r = 0; r < written; ++r) {
    const float* weights = r < unit.rows ? unit.weights + r * columns : zeros.data();
    if (four) {
      Store(dtype, RoundTo4Bits(weights, unit.importance, columns), r, out);
    } else {
      Store(dtype, RoundTo8Bits(weights, columns), r, out);
    }
  }
}

}  // namespace gemma3n
