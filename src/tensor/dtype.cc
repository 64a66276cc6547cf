// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include "base/check.h"

namespace gemma3n {

size_t ElementSize(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    default:
      CheckFailed(__FILE__, __LINE__, "quantized elements have no size of their own");
  }
}

const char* DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kI32:
      return "I32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kQ4Tiles:
      return "Q4T";
    case DType::kQ8Tiles:
      return "Q8T";
    case DType::kQ4Rows:
      return "Q4R";
    case DType::kQ8Rows:
      return "Q8R";
    case DType::kBlockQ40:
      return "Q4_0";
    case DType::kBlockQ41:
      return "Q4_1";
    case DType::kBlockQ50:
      return "Q5_0";
    case DType::kBlockQ51:
      return "Q5_1";
    case DType::kBlockQ80:
      return "Q8_0";
    case DType::kBlockQ2K:
      return "Q2_K";
    case DType::kBlockQ3K:
      return "Q3_K";
    case DType::kBlockQ4K:
      return "Q4_K";
    case DType::kBlockQ5K:
      return "Q5_K";
    case DType::kBlockQ6K:
      return "Q6_K";
    case DType::kBlockIQ4NL:
      return "IQ4_NL";
    case DType::kBlockIQ4XS:
      return "IQ4_XS";
  }
  CheckFailed(__FILE__, __LINE__, "unknown dtype");
}

float ToFloat(F16 value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  uint32_t exponent = (value.bits >> 10) & 0x1fu;
  uint32_t mantissa = value.bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent == 0) {
    if (mantissa == 0) return std::bit_cast<float>(sign);
    exponent = 1;  // subnormal: shift until the hidden bit appears
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    mantissa &= 0x3ffu;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

Bf16 ToBf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(bits >> 16 | 0x40u)};
  bits += 0x7fffu + ((bits >> 16) & 1u);
  return {static_cast<uint16_t>(bits >> 16)};
}

F16 ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u)
    return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds to infinity
  uint32_t shift = 13;
  uint32_t mantissa = magnitude;
  if (magnitude < 0x38800000u) {  // below the smallest normal half
    const uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return {static_cast<uint16_t>(sign)};
    mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    shift = 126 - exponent;
  } else {
    mantissa -= 112u << 23;
  }
  const uint32_t half = 1u << (shift - 1);
  const uint32_t rounded = (mantissa + half - 1 + ((mantissa >> shift) & 1u)) >> shift;
  return {static_cast<uint16_t>(sign | rounded)};
}

}  // namespace gemma3n
