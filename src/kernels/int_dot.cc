// SPDX-License-Identifier: Apache-2.0
#include "kernels/int_dot.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

namespace gemma3n::kernels {

using packed::kBlock;
using packed::kGroup;
using packed::kGroups;

size_t QuantizedRowBytes(int64_t blocks) {
  return static_cast<size_t>(blocks * (kBlock + 4 + 4 * kGroups + 4));
}

QuantizedRow QuantizedRowAt(const std::byte* memory, int64_t blocks) {
  const std::byte* scales = memory + blocks * kBlock;
  const std::byte* groups = scales + blocks * 4;
  return {reinterpret_cast<const int8_t*>(memory), reinterpret_cast<const float*>(scales),
          reinterpret_cast<const int32_t*>(groups),
          reinterpret_cast<const int32_t*>(groups + blocks * 4 * kGroups)};
}

namespace {

// Quantizes one block of at most 128 numbers; returns its scale, NaN where a number is not finite.
float QuantizeBlock(const float* x, int64_t n, int8_t* values) {
  float largest = 0;
  bool finite = true;
  for (int64_t k = 0; k < n; ++k) {
    largest = std::max(largest, std::abs(x[k]));
    finite &= std::abs(x[k]) <= std::numeric_limits<float>::max();
  }
  constexpr float kSmallest = 1e-30f;  // what lies below becomes 0, and 127 / largest stays finite
  if (!finite || largest < kSmallest) {
    std::memset(values, 0, static_cast<size_t>(n));
    return finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  }
  const float inverse = 127.0f / largest;
  for (int64_t k = 0; k < n; ++k) {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even.
    constexpr float kRounder = 12582912.0f;
    const float rounded = (x[k] * inverse + kRounder) - kRounder;
    values[k] = static_cast<int8_t>(static_cast<int32_t>(rounded));
  }
  return largest / 127.0f;
}

}  // namespace

void QuantizeRow(const float* x, int64_t n, std::byte* memory) {
  const int64_t blocks = packed::Blocks(n);
  const QuantizedRow row = QuantizedRowAt(memory, blocks);
  int8_t* values = const_cast<int8_t*>(row.values);
  std::memset(values + n, 0, static_cast<size_t>(blocks * kBlock - n));
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = block * kBlock;
    const_cast<float*>(row.scales)[block] =
        QuantizeBlock(x + begin, std::min(kBlock, n - begin), values + begin);
    int32_t total = 0;
    for (int64_t g = 0; g < kGroups; ++g) {
      int32_t sum = 0;
      for (int64_t k = 0; k < kGroup; ++k) sum += values[begin + g * kGroup + k];
      const_cast<int32_t*>(row.group_offsets)[block * kGroups + g] = -8 * sum;
      total += sum;
    }
    const_cast<int32_t*>(row.block_offsets)[block] = -128 * total;
  }
}

std::vector<const IntKernels*> AvailableIntKernels() {
  std::vector<const IntKernels*> all;
  for (const IntKernels* kernels : {Avx512IntKernels(), Avx2IntKernels(), NeonIntKernels()}) {
    if (kernels != nullptr) all.push_back(kernels);
  }
  all.push_back(&PlainIntKernels());
  return all;
}

const IntKernels& ActiveIntKernels() {
  // ForceIsa counts the changes; a process that never calls it looks them up once.
  static std::atomic<const IntKernels*> active{nullptr};
  static std::atomic<int> seen{-1};
  const int changes = IsaChanges();
  if (seen.load(std::memory_order_acquire) != changes) {
    active.store(AvailableIntKernels().front(), std::memory_order_release);
    seen.store(changes, std::memory_order_release);
  }
  return *active.load(std::memory_order_acquire);
}

}  // namespace gemma3n::kernels
