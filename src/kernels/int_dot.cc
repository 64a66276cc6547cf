// SPDX-License-Identifier: Apache-2.0
#include "kernels/int_dot.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

namespace gemma3n::kernels {

using packed::kBlock;
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

void QuantizeRow(const float* x, int64_t n, std::byte* memory) {
  const auto quantize_block = ActiveIntKernels().quantize_block;
  const int64_t blocks = packed::Blocks(n);
  const QuantizedRow row = QuantizedRowAt(memory, blocks);
  for (int64_t block = 0; block < blocks; ++block) {
    const float* from = x + block * kBlock;
    float padded[kBlock] = {};
    if (n - block * kBlock < kBlock) {
      std::copy(from, x + n, padded);
      from = padded;
    }
    int32_t sums[kGroups];
    const_cast<float*>(row.scales)[block] =
        quantize_block(from, const_cast<int8_t*>(row.values) + block * kBlock, sums);
    int32_t total = 0;
    for (int64_t g = 0; g < kGroups; ++g) {
      const_cast<int32_t*>(row.group_offsets)[block * kGroups + g] = -8 * sums[g];
      total += sums[g];
    }
    const_cast<int32_t*>(row.block_offsets)[block] = -128 * total;
  }
}

std::vector<const IntKernels*> AvailableIntKernels() {
  std::vector<const IntKernels*> all;
  for (const IntKernels* kernels : {Avx512IntKernels(), AvxVnniIntKernels(), Avx512VlIntKernels(),
                                    Avx2IntKernels(), NeonI8mmIntKernels(), NeonIntKernels()}) {
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
