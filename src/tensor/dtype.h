// SPDX-License-Identifier: Apache-2.0
// Element types of tensors, and the exact conversions between the float ones.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace gemma3n {

// After the plain types come our quantized matrices, laid out as packed.h says, and then those of
// GGUF files, rows of blocks as blocks.h says.
enum class DType {
  kF32,
  kF16,
  kBF16,
  kI32,
  kQ4Tiles,
  kQ8Tiles,
  kQ4Rows,
  kQ8Rows,
  kBlockQ40,
  kBlockQ41,
  kBlockQ50,
  kBlockQ51,
  kBlockQ80,
  kBlockQ2K,
  kBlockQ3K,
  kBlockQ4K,
  kBlockQ5K,
  kBlockQ6K,
  kBlockIQ4NL,
  kBlockIQ4XS,
};

inline bool IsPacked(DType dtype) {
  return dtype >= DType::kQ4Tiles && dtype <= DType::kQ8Rows;
}
inline bool IsBlocks(DType dtype) {
  return dtype >= DType::kBlockQ40;
}
inline bool IsFloat(DType dtype) {
  return dtype <= DType::kBF16;
}

// Distinct types, so that a pointer says how its elements are to be read.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

size_t ElementSize(DType dtype);  // of the plain types
// As safetensors spells it: "F32", "F16", "BF16", "I32"; ours are "Q4T", "Q8T", "Q4R", "Q8R"; as
// GGUF's community spells it: "Q4_0", "Q6_K", "IQ4_NL".
const char* DTypeName(DType dtype);

inline float ToFloat(float value) {
  return value;
}
inline float ToFloat(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}
float ToFloat(F16 value);

// Round to nearest, ties to even; NaN stays NaN.
Bf16 ToBf16(float value);
F16 ToF16(float value);

}  // namespace gemma3n
