// SPDX-License-Identifier: Apache-2.0
#include "ops/key_value_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/rows.h"
#include "tensor/dtype.h"

namespace gemma3n::ops {

const char* KeyValueTypeName(KeyValueType type) {
  switch (type) {
    case KeyValueType::kF32:
      return "f32";
    case KeyValueType::kF16:
      return "f16";
    case KeyValueType::kInt8:
      return "int8";
  }
  return "";
}

int64_t KeyValueRowBytes(KeyValueType type, int64_t head_dim) {
  switch (type) {
    case KeyValueType::kF32:
      return head_dim * static_cast<int64_t>(sizeof(float));
    case KeyValueType::kF16:
      return head_dim * static_cast<int64_t>(sizeof(F16));
    case KeyValueType::kInt8:
      break;
  }
  return static_cast<int64_t>(sizeof(float)) + (head_dim + 3) / 4 * 4;
}

void StoreKeyValueRow(KeyValueType type, const float* x, int64_t head_dim, std::byte* row) {
  if (type == KeyValueType::kF32) {
    std::memcpy(row, x, static_cast<size_t>(head_dim) * sizeof(float));
  } else if (type == KeyValueType::kF16) {
    F16* halves = reinterpret_cast<F16*>(row);
    // Normalized rows are far below it; a model that is not must not turn to infinities here.
    constexpr float kLargest = 65504.0f;
    for (int64_t i = 0; i < head_dim; ++i) {
      halves[i] = ToF16(std::clamp(x[i], -kLargest, kLargest));
    }
  } else {
    float largest = 0;
    for (int64_t i = 0; i < head_dim; ++i) largest = std::max(largest, std::abs(x[i]));
    const float scale = largest / 127.0f, inverse = scale > 0 ? 1.0f / scale : 0.0f;
    std::memcpy(row, &scale, sizeof(scale));
    int8_t* bytes = reinterpret_cast<int8_t*>(row + sizeof(scale));
    for (int64_t i = 0; i < head_dim; ++i) {
      bytes[i] = static_cast<int8_t>(std::clamp(std::nearbyint(x[i] * inverse), -127.0f, 127.0f));
    }
  }
}

const float* LoadKeyValueRows(KeyValueType type, const std::byte* rows, int64_t count,
                              int64_t head_dim, float* memory) {
  if (type == KeyValueType::kF32) return reinterpret_cast<const float*>(rows);
  if (type == KeyValueType::kF16) {
    kernels::Widen(reinterpret_cast<const F16*>(rows), static_cast<size_t>(count * head_dim),
                   memory);
    return memory;
  }
  const int64_t bytes = KeyValueRowBytes(type, head_dim);
  for (int64_t i = 0; i < count; ++i) {
    float scale;
    std::memcpy(&scale, rows + i * bytes, sizeof(scale));
    kernels::WidenBytes(reinterpret_cast<const int8_t*>(rows + i * bytes + sizeof(scale)), scale,
                        static_cast<size_t>(head_dim), memory + i * head_dim);
  }
  return memory;
}

}  // namespace gemma3n::ops
