// SPDX-License-Identifier: Apache-2.0
// Rounding of weights to the packed forms (tensor/packed.h). The same bytes on every machine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/packed.h"

namespace gemma3n {

// One row in 4 bits: element k is scale * subs[k / 16] * numbers[k]. Columns are padded to whole
// blocks.
struct Row4 {
  explicit Row4(int64_t columns)
      : subs(packed::Blocks(columns) * packed::kGroups),
        numbers(packed::Blocks(columns) * packed::kBlock) {}
  float scale = 0;
  std::vector<uint8_t> subs;    // [0, 15], a group each
  std::vector<int8_t> numbers;  // [-8, 7], a column each
};
// One row in 8 bits: element k is scales[k / 128] * numbers[k].
struct Row8 {
  explicit Row8(int64_t columns)
      : scales(packed::Blocks(columns)), numbers(packed::Blocks(columns) * packed::kBlock) {}
  std::vector<float> scales;
  std::vector<int8_t> numbers;  // [-127, 127]
};

inline float NearestInteger(float x) {
  // Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even; |x| < 2^22.
  constexpr float kRounder = 12582912.0f;
  return (x + kRounder) - kRounder;
}
inline float RoundedTo4Bits(float x) {
  return std::min(7.0f, std::max(-8.0f, NearestInteger(x)));
}
// The step of least squared error for a group of `count` weights, at most 16, among those that put
// the largest between 6 and 9 steps. Errors count times `importance`, one for each weight; null:
// all alike.
float BestStep(const float* weights, const float* importance, int64_t count);
// A scale for the row in which the steps of all groups are multiples of it.
float ScaleFor(std::span<const float> steps);

// Each row on its own, without regard to the others. `weights` and `importance` (null: all alike)
// have `columns` floats.
Row4 RoundTo4Bits(const float* weights, const float* importance, int64_t columns);
Row8 RoundTo8Bits(const float* weights, int64_t columns);

// Row r of a tile, or the one row of a single-row form, whose bytes were 0 before.
void Store(DType dtype, const Row4& row, int64_t r, std::byte* unit);
void Store(DType dtype, const Row8& row, int64_t r, std::byte* unit);

// Rounds a matrix piece by piece: `weights` are the floats [rows, columns] of one tile (at most 16
// rows; those that are missing become 0) or, of the single-row forms, of one row. Writes
// packed::UnitBytes(dtype, columns) bytes.
//
// 4 bits: for every 16 columns the scale with the least squared error among some is sought, then
// the row's scale and the sub-scales that come nearest to them; errors count times `importance`, a
// number for each column, if there is one. 8 bits: the largest of 128 columns becomes 127.
struct UnitToRound {
  DType dtype;
  int64_t rows, columns;
  const float* weights;
  const float* importance = nullptr;
};
void RoundUnit(const UnitToRound& unit, std::byte* out);

}  // namespace gemma3n
