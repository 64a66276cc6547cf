// SPDX-License-Identifier: Apache-2.0
// Sums and products of numbers that came out of a file: nullopt instead of wrapping round.
#pragma once

#include <cstdint>
#include <optional>

namespace gemma3n {

inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

}  // namespace gemma3n
