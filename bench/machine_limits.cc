// SPDX-License-Identifier: Apache-2.0
#include "machine_limits.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <vector>

#include "float_peak.h"
#include "kernels/int_dot.h"
#include "kernels/isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

// Independent sums: more than latency times instructions a cycle anywhere.
constexpr int kSums = 12;

// `trips` times kSums products; operands change behind the compiler's back, so that none is left
// out.
using Loop = void (*)(int64_t trips);

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) void Dpbusd512(int64_t trips) {
  __m512i sums[kSums] = {}, a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-5);
  for (int64_t i = 0; i < trips; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j)
      asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums[j]) : "v"(a), "v"(b));
  }
}

__attribute__((target("avx2"))) void DpbusdVex(int64_t trips) {
  __m256i sums[kSums] = {}, a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  for (int64_t i = 0; i < trips; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) {
      asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums[j]) : "x"(a), "x"(b));
    }
  }
}

// Two instructions and an addition for 32 products.
__attribute__((target("avx2"))) void Maddubs256(int64_t trips) {
  __m256i sums[kSums] = {}, a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < trips; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) {
      asm volatile("" : "+x"(a));
      sums[j] = _mm256_add_epi32(sums[j], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  for (__m256i& sum : sums) asm volatile("" : "+x"(sum));
}
#elif defined(__aarch64__)
__attribute__((target("arch=armv8.2-a+dotprod"))) void Sdot(int64_t trips) {
  int32x4_t sums[kSums] = {};
  const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-5);
  for (int64_t i = 0; i < trips; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) {
      asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sums[j]) : "w"(a), "w"(b));
    }
  }
}

__attribute__((target("arch=armv8.2-a+i8mm"))) void Smmla(int64_t trips) {
  int32x4_t sums[kSums] = {};
  const int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(-5);
  for (int64_t i = 0; i < trips; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kSums; ++j) {
      asm volatile("smmla %0.4s, %1.16b, %2.16b" : "+w"(sums[j]) : "w"(a), "w"(b));
    }
  }
}
#endif

void PlainProducts(int64_t trips) {
  int32_t sums[kSums] = {}, a = 3, b = -5;
  for (int64_t i = 0; i < trips; ++i) {
    for (int j = 0; j < kSums; ++j) {
      asm volatile("" : "+r"(a));
      sums[j] += a * b;
    }
  }
  for (int32_t& sum : sums) asm volatile("" : "+r"(sum));
}

struct IntInstruction {
  const char* kernels;  // name of the table that uses it
  const char* name;
  Loop loop;
  int products;  // of one of the loop's steps
};

IntInstruction BestIntInstruction() {
  const std::string active = kernels::ActiveIntKernels().name;
  for (const IntInstruction& each : {
#if defined(__x86_64__)
         IntInstruction{"avx512vnni", "vpdpbusd on 512 bits", Dpbusd512, 64},
             IntInstruction{"avxvnni", "vpdpbusd on 256 bits", DpbusdVex, 32},
             IntInstruction{"avx2", "vpmaddubsw, vpmaddwd, vpaddd on 256 bits", Maddubs256, 32},
#elif defined(__aarch64__)
           IntInstruction{"neoni8mm", "smmla on 128 bits", Smmla, 32},
           IntInstruction{"neondot", "sdot on 128 bits", Sdot, 16},
#endif
       }) {
    if (active == each.kernels) return each;
  }
  return {"plain", "multiply and add on 32 bits", PlainProducts, 1};
}

// Products a second; the best of a few trials of some 20 ms.
double BestRate(Loop loop, int products, ThreadPool& pool, int threads) {
  constexpr int kTrials = 5;
  double best = 0;
  int64_t trips = 1 << 16;
  for (int trial = 0; trial < kTrials;) {
    const Clock::time_point begin = Clock::now();
    pool.ParallelFor(static_cast<size_t>(threads), [&](size_t) { loop(trips); });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds < 0.02) {
      trips *= 2;
      continue;
    }
    const double rate = static_cast<double>(trips) * kSums * products * threads / seconds;
    best = std::max(best, rate);
    ++trial;
  }
  return best;
}

Peak Measure(const std::string& instruction, Loop loop, int products, ThreadPool& pool) {
  return {instruction, BestRate(loop, products, pool, 1),
          BestRate(loop, products, pool, pool.num_threads())};
}

}  // namespace

Peak IntDotPeak(ThreadPool& pool) {
  const IntInstruction best = BestIntInstruction();
  return Measure(best.name, best.loop, best.products, pool);
}

Peak FloatPeak(ThreadPool& pool) {
  const int lanes = FloatLanes();
  return Measure("fused multiply-add of " + std::to_string(lanes) + " floats", FloatProducts, lanes,
                 pool);
}

HugeBuffer::HugeBuffer(size_t bytes) : floats_(bytes / sizeof(float)) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes, MADV_HUGEPAGE);  // 5 to 11 % faster to read; a wish, no more
  data_ = static_cast<float*>(memory);
  std::fill_n(data_, floats_, 1.0f);
}

HugeBuffer::~HugeBuffer() {
  munmap(data_, floats_ * sizeof(float));
}

double ReadSpeed(std::span<const float> memory, ThreadPool& pool) {
  constexpr size_t kPiece = (256 << 10) / sizeof(float);
  const size_t pieces = memory.size() / kPiece;
  std::vector<float> sums(pieces);
  const Clock::time_point begin = Clock::now();
  pool.ParallelFor(pieces, [&](size_t piece) {
    sums[piece] = ReadFloats(memory.data() + piece * kPiece, kPiece);
  });
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return static_cast<double>(pieces * kPiece * sizeof(float)) / seconds;
}

}  // namespace gemma3n
