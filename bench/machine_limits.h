// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, measured: the figures that kernels are held against.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/thread_pool.h"

namespace gemma3n {

// Multiply-adds a second in registers alone, the best of a few trials.
struct Peak {
  std::string instruction;
  double one_thread;
  double all_threads;
};
// Of the best 8-bit dot products that the kernels may use here: GEMMA3N_ISA counts.
Peak IntDotPeak(ThreadPool& pool);
// Of fused multiply-adds on vectors of float32.
Peak FloatPeak(ThreadPool& pool);

// Memory on huge pages, where the system gives them; filled.
class HugeBuffer {
 public:
  explicit HugeBuffer(size_t bytes);  // throws std::bad_alloc
  ~HugeBuffer();
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  float* data() { return data_; }
  std::span<const float> span() const { return {data_, floats_}; }

 private:
  float* data_;
  size_t floats_;
};

// Bytes a second of one pass over `memory` by all threads of the pool, in pieces as the kernels
// take them.
double ReadSpeed(std::span<const float> memory, ThreadPool& pool);

}  // namespace gemma3n
