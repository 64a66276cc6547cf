// SPDX-License-Identifier: Apache-2.0
// How keys and values are kept: one row for each position and head.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma3n::ops {

enum class KeyValueType {
  kF32,   // as they are
  kF16,   // rounded to half precision
  kInt8,  // in 8 bits, with a scale for each row
};

const char* KeyValueTypeName(KeyValueType type);  // "f32", "f16", "int8"

// Bytes of one row of head_dim numbers. A row of zero bytes is a row of zeros in every type.
int64_t KeyValueRowBytes(KeyValueType type, int64_t head_dim);

// x [head_dim] -> row.
void StoreKeyValueRow(KeyValueType type, const float* x, int64_t head_dim, std::byte* row);

// `count` rows that follow each other -> [count, head_dim]; the rows themselves where they are
// floats, else in `memory`.
const float* LoadKeyValueRows(KeyValueType type, const std::byte* rows, int64_t count,
                              int64_t head_dim, float* memory);

}  // namespace gemma3n::ops
