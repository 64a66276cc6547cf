// SPDX-License-Identifier: Apache-2.0
// Layouts of quantized matrices, as they lie in packed files and as the integer kernels read them.
//
// An element of row r and column k is scale * sub * q (4 bits) or scale * q (8 bits):
//
//   4 bits: q in [-8, 7], stored as q + 8; a 4-bit sub-scale `sub` for every 16 columns; one float
//           scale a row. sub * q fits a signed byte, so a whole row sums up in integers.
//   8 bits: q in [-127, 127], stored as q + 128; one float scale for every 128 columns of a row.
//
// Columns are padded to a multiple of 128, a block; the padding holds elements of 0. Each comes in
// two forms:
//
//   Tiles of 16 rows, for products with all rows: every vector of a kernel holds 4 neighbouring
//   columns of each row. Rows are padded to a multiple of 16.
//     4 bits: 16 floats, the rows' scales. Then for every block 64 bytes of sub-scales: 8 bytes for
//       each 16 columns, byte i holding row i in its low half and row i + 8 in its high half. Then
//       1024 bytes: byte 64 v + 4 r + j holds row r's columns 8 v + j (low) and 8 v + 4 + j (high).
//     8 bits: for every block 16 floats, the rows' scales, then 2048 bytes: byte 64 v + 4 r + j
//       holds row r's column 4 v + j.
//
//   Single rows, for matrices of which some rows are wanted.
//     4 bits: a float, the scale. Then for every block 4 bytes of sub-scales, byte i holding 16
//       columns from 16 i in its low half and from 64 + 16 i in its high half. Then for every block
//       64 bytes, byte i holding column i (low) and 64 + i (high).
//     8 bits: a float for every block, the scales, then a byte for every column.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace gemma3n::packed {

constexpr int64_t kTileRows = 16;
constexpr int64_t kBlock = 128;  // columns that share a scale of the vector they are multiplied by
constexpr int64_t kGroup = 16;   // columns that share a sub-scale
constexpr int64_t kGroups = kBlock / kGroup;
constexpr int64_t kScaleBytes = kTileRows * 4;
constexpr int64_t kQ4Block = kScaleBytes + 1024;  // of a tile: sub-scales and elements
constexpr int64_t kQ8Block = kScaleBytes + 2048;  // of a tile: scales and elements
constexpr int64_t kQ4RowBlock = 4 + 64;
constexpr int64_t kQ8RowBlock = 4 + 128;

inline int64_t Blocks(int64_t columns) {
  return (columns + kBlock - 1) / kBlock;
}
inline int64_t Tiles(int64_t rows) {
  return (rows + kTileRows - 1) / kTileRows;
}
inline bool IsTiled(DType dtype) {
  return dtype == DType::kQ4Tiles || dtype == DType::kQ8Tiles;
}
// What a tensor takes, of any type; of packed ones `shape` is [rows, columns].
uint64_t StoredBytes(DType dtype, const Shape& shape);
inline bool IsRows(DType dtype) {
  return dtype == DType::kQ4Rows || dtype == DType::kQ8Rows;
}
// Bytes of one tile (16 rows) or, of the single-row forms, one row.
int64_t UnitBytes(DType dtype, int64_t columns);

// The 8-bit tile of `rows` rows (at most 16; those that are missing become 0) of `columns` floats:
// the largest of 128 columns becomes 127. UnitBytes(DType::kQ8Tiles, columns) bytes. False where
// one is not finite: the scale of its 128 columns is NaN.
bool PackQ8Tile(const float* weights, int64_t rows, int64_t columns, std::byte* tile);

// Elements [begin, begin + count) of one row of a matrix of `columns`, as floats. Plain code: what
// the kernels are tested against.
void UnpackRow(DType dtype, const std::byte* data, int64_t columns, int64_t row, int64_t begin,
               int64_t count, float* out);

}  // namespace gemma3n::packed
