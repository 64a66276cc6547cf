// SPDX-License-Identifier: Apache-2.0
// The integer kernels for AVX-512 with VNNI.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <cstring>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma")

namespace gemma3n::kernels {
namespace {

using packed::kBlock;
using packed::kGroups;
using packed::kQ4Block;
using packed::kQ8Block;
using packed::kScaleBytes;
using packed::kTileRows;

__m512i Load(const void* p) {
  return _mm512_loadu_si512(p);
}
float FloatAt(const std::byte* data) {
  float value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}
// 4 values of x in every lane.
__m512i Four(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}
// sum += unsigned w times signed x, by fours. As an instruction of its own, since GCC 12 copies the
// sum before and after its intrinsic, which costs loops that keep many sums their registers.
HWY_INLINE void Dot(__m512i& sum, __m512i w, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
}
__m512i LowNibbles(__m512i v) {
  return _mm512_and_si512(v, _mm512_set1_epi8(15));
}
__m512i HighNibbles(__m512i v) {
  return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15));
}

// The sub-scales of 16 rows for groups 2 p and 2 p + 1, a lane for each row.
struct TwoSubs {
  __m512i first, second;
};
TwoSubs LoadSubs(const std::byte* subs, int p) {
  const __m128i both = _mm_loadu_si128(reinterpret_cast<const __m128i*>(subs + p * 16));
  const __m128i low = _mm_and_si128(both, _mm_set1_epi8(15));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(both, 4), _mm_set1_epi8(15));
  return {_mm512_cvtepu8_epi32(_mm_unpacklo_epi64(low, high)),
          _mm512_cvtepu8_epi32(_mm_unpackhi_epi64(low, high))};
}

// sum += sub * (x times 16 columns of each row). What `sub` multiplies fits 16 bits.
template <int kRows>
HWY_INLINE void AddGroup(const std::byte* data, __m512i sub, const QuantizedRow* x, int64_t group,
                         __m512i (&sum)[kRows]) {
  const __m512i first = Load(data), second = Load(data + 64);
  const __m512i w[4] = {LowNibbles(first), HighNibbles(first), LowNibbles(second),
                        HighNibbles(second)};
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const int8_t* values = x[i].values + group * packed::kGroup;
    __m512i part = _mm512_set1_epi32(x[i].group_offsets[group]);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) Dot(part, w[j], Four(values + 4 * j));
    sum[i] = _mm512_add_epi32(sum[i], _mm512_madd_epi16(part, sub));
  }
}

template <int kRows>
void Q4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m512 total[kRows];
  for (__m512& t : total) t = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    __m512i sum[kRows];
    for (__m512i& s : sum) s = _mm512_setzero_si512();
    for (int p = 0; p < kGroups / 2; ++p) {
      const TwoSubs subs = LoadSubs(block, p);
      const std::byte* data = block + kScaleBytes + p * 256;
      AddGroup<kRows>(data, subs.first, x, b * kGroups + 2 * p, sum);
      AddGroup<kRows>(data + 128, subs.second, x, b * kGroups + 2 * p + 1, sum);
    }
    for (int i = 0; i < kRows; ++i) {
      total[i] =
          _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i]), _mm512_set1_ps(x[i].scales[b]), total[i]);
    }
  }
  const __m512 scales = _mm512_loadu_ps(tile);
  for (int i = 0; i < kRows; ++i) {
    _mm512_storeu_ps(y + i * y_stride, _mm512_mul_ps(total[i], scales));
  }
}

template <int kRows>
void Q8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m512 total[kRows];
  for (__m512& t : total) t = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + b * kQ8Block;
    const std::byte* data = block + kScaleBytes;
    __m512i even[kRows], odd[kRows];  // two sums: a product waits for the one before it
    for (int i = 0; i < kRows; ++i) {
      even[i] = _mm512_set1_epi32(x[i].block_offsets[b]);
      odd[i] = _mm512_setzero_si512();
    }
    for (int v = 0; v < 32; v += 2) {
      const __m512i first = Load(data + v * 64), second = Load(data + v * 64 + 64);
      for (int i = 0; i < kRows; ++i) {
        const int8_t* values = x[i].values + b * kBlock + 4 * v;
        Dot(even[i], first, Four(values));
        Dot(odd[i], second, Four(values + 4));
      }
    }
    const __m512 scales = _mm512_loadu_ps(block);
    for (int i = 0; i < kRows; ++i) {
      const __m512 sum = _mm512_cvtepi32_ps(_mm512_add_epi32(even[i], odd[i]));
      total[i] =
          _mm512_fmadd_ps(sum, _mm512_mul_ps(scales, _mm512_set1_ps(x[i].scales[b])), total[i]);
    }
  }
  for (int i = 0; i < kRows; ++i) _mm512_storeu_ps(y + i * y_stride, total[i]);
}

// The widened bytes of 16 columns: (q + 8) * sub + 128 - 8 sub, which stay below 256 on the way.
void WidenGroup(const std::byte* data, __m512i sub, uint8_t* bytes) {
  const __m512i sub16 = _mm512_or_si512(sub, _mm512_slli_epi32(sub, 16));
  const __m512i sub8 = _mm512_or_si512(sub16, _mm512_slli_epi16(sub16, 8));
  const __m512i shift =
      _mm512_sub_epi8(_mm512_set1_epi8(-128), _mm512_slli_epi16(sub8, 3));  // 8 * 15 < 256
  const auto widen = [&](__m512i nibbles, uint8_t* out) {
    const __m512i even =
        _mm512_mullo_epi16(_mm512_and_si512(nibbles, _mm512_set1_epi16(255)), sub16);
    const __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(nibbles, 8), sub16);
    const __m512i both = _mm512_or_si512(even, _mm512_slli_epi16(odd, 8));
    _mm512_storeu_si512(out, _mm512_add_epi8(both, shift));
  };
  const __m512i first = Load(data), second = Load(data + 64);
  widen(LowNibbles(first), bytes);
  widen(HighNibbles(first), bytes + 64);
  widen(LowNibbles(second), bytes + 128);
  widen(HighNibbles(second), bytes + 192);
}

void WidenQ4Tile(const std::byte* tile, int64_t blocks, uint8_t* bytes) {
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    for (int p = 0; p < kGroups / 2; ++p) {
      const TwoSubs subs = LoadSubs(block, p);
      const std::byte* data = block + kScaleBytes + p * 256;
      WidenGroup(data, subs.first, bytes + b * 2048 + p * 512);
      WidenGroup(data + 128, subs.second, bytes + b * 2048 + p * 512 + 256);
    }
  }
}

// The sums of one block of two tiles: 12 of them stay in registers, which GCC keeps to only where
// the function is inlined and its loops over them are unrolled.
template <int kRows>
HWY_INLINE void PairBlock(const void* left, const void* right, const QuantizedRow* x, int64_t b,
                          __m512i (&sum)[kRows][2]) {
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    sum[i][0] = sum[i][1] = _mm512_set1_epi32(x[i].block_offsets[b]);
  }
  const int8_t* values[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) values[i] = x[i].values + b * kBlock;
  for (int v = 0; v < 32; ++v) {
    const __m512i w0 = Load(static_cast<const char*>(left) + v * 64);
    const __m512i w1 = Load(static_cast<const char*>(right) + v * 64);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const __m512i four = Four(values[i] + 4 * v);
      Dot(sum[i][0], w0, four);
      Dot(sum[i][1], w1, four);
    }
  }
}

template <int kRows>
void Q4Pair(const uint8_t* bytes, const std::byte* tiles, int64_t blocks, const QuantizedRow* x,
            float* y, int64_t y_stride) {
  __m512 total[kRows][2];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) total[i][0] = total[i][1] = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    __m512i sum[kRows][2];
    PairBlock<kRows>(bytes + b * 2048, bytes + (blocks + b) * 2048, x, b, sum);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const __m512 scale = _mm512_set1_ps(x[i].scales[b]);
      total[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][0]), scale, total[i][0]);
      total[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][1]), scale, total[i][1]);
    }
  }
  const __m512 left = _mm512_loadu_ps(tiles);
  const __m512 right = _mm512_loadu_ps(tiles + kScaleBytes + blocks * kQ4Block);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    _mm512_storeu_ps(y + i * y_stride, _mm512_mul_ps(total[i][0], left));
    _mm512_storeu_ps(y + i * y_stride + kTileRows, _mm512_mul_ps(total[i][1], right));
  }
}

template <int kRows>
void Q8Pair(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m512 total[kRows][2];
  for (auto& t : total) t[0] = t[1] = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block[2] = {tiles + b * kQ8Block, tiles + (blocks + b) * kQ8Block};
    __m512i sum[kRows][2];
    PairBlock<kRows>(block[0] + kScaleBytes, block[1] + kScaleBytes, x, b, sum);
    for (int j = 0; j < 2; ++j) {
      const __m512 scales = _mm512_loadu_ps(block[j]);
      for (int i = 0; i < kRows; ++i) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(x[i].scales[b]));
        total[i][j] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][j]), scale, total[i][j]);
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < 2; ++j) _mm512_storeu_ps(y + i * y_stride + j * kTileRows, total[i][j]);
  }
}

// The first lane of every four takes one of v's; the others are 0.
__m512i FirstLanes(__m128i v) {
  const __m512i order = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_maskz_permutexvar_epi32(0x1111, order, _mm512_castsi128_si512(v));
}

float Q4Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + 4 + blocks * 4;
  // Lane l of a vector of 64 columns belongs to group l / 4.
  const __m128i spread = _mm_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    int32_t four;
    std::memcpy(&four, row + 4 + b * 4, sizeof(four));
    const __m128i subs = _mm_shuffle_epi8(_mm_set1_epi32(four), spread);
    const __m128i low = _mm_and_si128(subs, _mm_set1_epi8(15));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(subs, 4), _mm_set1_epi8(15));
    const __m512i nibbles = Load(data + b * 64);
    const int8_t* values = x.values + b * kBlock;
    // A group's offset goes in once, with the first of its four lanes.
    const __m128i* offsets = reinterpret_cast<const __m128i*>(x.group_offsets + b * kGroups);
    const __m512i left = _mm512_dpbusd_epi32(FirstLanes(_mm_loadu_si128(offsets)),
                                             LowNibbles(nibbles), Load(values));
    const __m512i right = _mm512_dpbusd_epi32(FirstLanes(_mm_loadu_si128(offsets + 1)),
                                              HighNibbles(nibbles), Load(values + 64));
    const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(left, _mm512_cvtepu8_epi32(low)),
                                         _mm512_madd_epi16(right, _mm512_cvtepu8_epi32(high)));
    total = __builtin_fmaf(static_cast<float>(_mm512_reduce_add_epi32(sum)), x.scales[b], total);
  }
  return total * FloatAt(row);
}

float Q8Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + blocks * 4;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const int8_t* values = x.values + b * kBlock;
    __m512i sum =
        _mm512_dpbusd_epi32(_mm512_setzero_si512(), Load(data + b * kBlock), Load(values));
    sum = _mm512_dpbusd_epi32(sum, Load(data + b * kBlock + 64), Load(values + 64));
    const int32_t whole = _mm512_reduce_add_epi32(sum) + x.block_offsets[b];
    total = __builtin_fmaf(static_cast<float>(whole), FloatAt(row + b * 4) * x.scales[b], total);
  }
  return total;
}

void AddSixteen(__m512 scale, __m512i elements, float* y) {
  _mm512_storeu_ps(y, _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(elements), _mm512_loadu_ps(y)));
}

// sub * (n - 8) for every sub and n.
struct Levels {
  constexpr Levels() {
    for (int sub = 0; sub < 16; ++sub) {
      for (int n = 0; n < 16; ++n) values[sub][n] = static_cast<float>(sub * (n - 8));
    }
  }
  alignas(64) float values[16][16] = {};
};
constexpr Levels kLevels;

void AddQ4Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  const __m512 scale = _mm512_set1_ps(factor * FloatAt(row));
  const std::byte* data = row + 4 + blocks * 4;
  for (int64_t b = begin; b < end; ++b) {
    for (int g = 0; g < 4; ++g) {
      const int subs = std::to_integer<int>(row[4 + b * 4 + g]);
      const __m512i both = _mm512_cvtepu8_epi32(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + b * 64 + g * 16)));
      // The look-up heeds the lowest 4 bits of each lane only.
      const auto add = [&](__m512i nibbles, int sub, float* out) {
        const __m512 element = _mm512_permutexvar_ps(nibbles, _mm512_load_ps(kLevels.values[sub]));
        _mm512_storeu_ps(out, _mm512_fmadd_ps(scale, element, _mm512_loadu_ps(out)));
      };
      float* out = y + (b - begin) * kBlock + g * 16;
      add(both, subs & 15, out);
      add(_mm512_srli_epi32(both, 4), subs >> 4, out + 64);
    }
  }
}

void AddQ8Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  for (int64_t b = begin; b < end; ++b) {
    const __m512 scale = _mm512_set1_ps(factor * FloatAt(row + b * 4));
    for (int64_t k = b * kBlock; k < (b + 1) * kBlock; k += 16) {
      const __m512i bytes = _mm512_cvtepu8_epi32(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + blocks * 4 + k)));
      AddSixteen(scale, _mm512_sub_epi32(bytes, _mm512_set1_epi32(128)), y + k - begin * kBlock);
    }
  }
}

float QuantizeBlock(const float* x, int8_t* values, int32_t* group_sums) {
  constexpr int kVectors = kBlock / 16;
  __m512 v[kVectors], largest = _mm512_setzero_ps();
  __mmask16 finite = 0xFFFF;
  for (int i = 0; i < kVectors; ++i) {
    v[i] = _mm512_loadu_ps(x + 16 * i);
    const __m512 size = _mm512_abs_ps(v[i]);
    largest = _mm512_max_ps(largest, size);
    finite &= _mm512_cmp_ps_mask(size, _mm512_set1_ps(__FLT_MAX__), _CMP_LE_OQ);
  }
  const float most = _mm512_reduce_max_ps(largest);
  const bool empty = finite != 0xFFFF || most < kSmallestOfABlock;
  const __m512 inverse = _mm512_set1_ps(empty ? 0.0f : 127.0f / most);
  for (int i = 0; i < kVectors; ++i) {
    const __m512i whole =
        empty ? _mm512_setzero_si512() : _mm512_cvtps_epi32(_mm512_mul_ps(v[i], inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + 16 * i), _mm512_cvtepi32_epi8(whole));
  }
  for (int half = 0; half < 2; ++half) {
    __m512i sum = _mm512_setzero_si512();  // of 4 values in each lane, then of 16
    Dot(sum, _mm512_set1_epi8(1), Load(values + 64 * half));
    sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_BADC));
    sum = _mm512_add_epi32(sum, _mm512_shuffle_epi32(sum, _MM_PERM_CDAB));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(group_sums + 4 * half),
                     _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, sum)));
  }
  if (finite != 0xFFFF) return __builtin_nanf("");
  return empty ? 0.0f : most / 127.0f;
}

// Calls the function compiled for n rows.
template <template <int> class Function, class... Arguments>
void ForRows(int n, Arguments... arguments) {
  switch (n) {
    case 1:
      return Function<1>::Run(arguments...);
    case 2:
      return Function<2>::Run(arguments...);
    case 3:
      return Function<3>::Run(arguments...);
    case 4:
      return Function<4>::Run(arguments...);
    case 5:
      return Function<5>::Run(arguments...);
    default:
      return Function<6>::Run(arguments...);
  }
}
template <int kRows>
struct RunQ4Tile {
  static constexpr auto Run = Q4Tile<kRows>;
};
template <int kRows>
struct RunQ8Tile {
  static constexpr auto Run = Q8Tile<kRows>;
};
template <int kRows>
struct RunQ4Pair {
  static constexpr auto Run = Q4Pair<kRows>;
};
template <int kRows>
struct RunQ8Pair {
  static constexpr auto Run = Q8Pair<kRows>;
};

void AnyQ4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
               int64_t y_stride) {
  ForRows<RunQ4Tile>(n, tile, blocks, x, y, y_stride);
}
void AnyQ8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
               int64_t y_stride) {
  ForRows<RunQ8Tile>(n, tile, blocks, x, y, y_stride);
}
void AnyQ4Pair(const uint8_t* bytes, const std::byte* tiles, int64_t blocks, const QuantizedRow* x,
               int n, float* y, int64_t y_stride) {
  ForRows<RunQ4Pair>(n, bytes, tiles, blocks, x, y, y_stride);
}
void AnyQ8Pair(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
               int64_t y_stride) {
  ForRows<RunQ8Pair>(n, tiles, blocks, x, y, y_stride);
}

}  // namespace

const IntKernels* Avx512IntKernels() {
  static constexpr IntKernels kKernels = {"avx512vnni", AnyQ4Tile, AnyQ8Tile,    WidenQ4Tile,
                                          AnyQ4Pair,    AnyQ8Pair, Q4Row,        Q8Row,
                                          AddQ4Row,     AddQ8Row,  QuantizeBlock};
  const bool usable = IsAllowed("avx512") && __builtin_cpu_supports("avx512vnni");
  return usable ? &kKernels : nullptr;
}

}  // namespace gemma3n::kernels

HWY_POP_ATTRIBUTES

#else

namespace gemma3n::kernels {
const IntKernels* Avx512IntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
