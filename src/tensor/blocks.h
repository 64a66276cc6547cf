// SPDX-License-Identifier: Apache-2.0
// The quantized types of GGUF files: rows of blocks, each of 32 or 256 neighbouring elements of a
// row with scales of its own. Every value is exact in float32 up to one rounding of a difference,
// so decoding has one right answer.
//
//   32 elements. `d` and `m` are f16; element i and i + 16 are the low and high half of byte i.
//     Q4_0   18 bytes: d, 16 bytes                 d * (q - 8)
//     Q4_1   20 bytes: d, m, 16 bytes              d * q + m
//     Q5_0   22 bytes: d, 32 fifth bits, 16 bytes  d * (q - 16)
//     Q5_1   24 bytes: d, m, 32 fifth bits, 16     d * q + m
//     Q8_0   34 bytes: d, 32 signed bytes          d * q
//     IQ4_NL 18 bytes: d, 16 bytes                 d * level[q], 16 uneven levels
//   256 elements. A group is 16 or 32 neighbours; its scale s and minimum m are small integers.
//     Q2_K   84 bytes: 16 bytes (s low, m high), 64 bytes, d, dmin      d * s * q - dmin * m
//     Q3_K  110 bytes: 32 bytes of third bits, 64 bytes, 12 of s, d     d * (s - 32) * (q - 4)
//     Q4_K  144 bytes: d, dmin, 12 bytes of s and m, 128 bytes          d * s * q - dmin * m
//     Q5_K  176 bytes: d, dmin, 12 bytes, 32 of fifth bits, 128 bytes   d * s * q - dmin * m
//     Q6_K  210 bytes: 128 bytes, 64 of upper bits, 16 signed s, d      d * s * (q - 32)
//     IQ4_XS 136 bytes: d, 8 * 2 upper bits of s, 4 bytes of s, 128     d * (s - 32) * level[q]
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace gemma3n::blocks {

struct Layout {
  int64_t elements;  // of one block
  int64_t bytes;
};
// `dtype` is one of the types of blocks.
Layout LayoutOf(DType dtype);
constexpr int64_t kMostElements = 256;  // of a block

// All elements of one block: LayoutOf(dtype).elements floats.
void Decode(DType dtype, const std::byte* block, float* out);

// Elements [begin, begin + count) of one row of a matrix of `columns`. Rows need not be whole
// blocks: a matrix of whole blocks may be looked at as one of shorter rows.
void DecodeRow(DType dtype, const std::byte* data, int64_t columns, int64_t row, int64_t begin,
               int64_t count, float* out);

}  // namespace gemma3n::blocks
