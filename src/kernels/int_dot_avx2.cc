// SPDX-License-Identifier: Apache-2.0
// The integer kernels for AVX2 with FMA.
//
// A vector holds 8 rows, half a tile. Products of bytes come in 16-bit pairs: of q + 8 they fit; of
// 8-bit elements they would not, so there the sign of the element moves to x first.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <algorithm>
#include <cstring>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("avx2,fma")

namespace gemma3n::kernels {
namespace {

using packed::kBlock;
using packed::kGroup;
using packed::kGroups;
using packed::kQ4Block;
using packed::kQ8Block;
using packed::kScaleBytes;
using packed::kTileRows;

constexpr int kAtOnce = 3;  // rows of x, whose sums stay in registers

__m256i Load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
__m128i LoadHalf(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
float FloatAt(const std::byte* data) {
  float value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}
// 4 values of x in every lane.
__m256i Four(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}
__m256i LowNibbles(__m256i v) {
  return _mm256_and_si256(v, _mm256_set1_epi8(15));
}
__m256i HighNibbles(__m256i v) {
  return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15));
}

// sum + the products of signed bytes w with x, 4 to a lane. w is stored as w + 128.
__m256i AddBytes(__m256i sum, __m256i stored, __m256i x) {
  const __m256i w = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

int32_t SumOfLanes(__m256i v) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

// The sub-scales of a tile's rows for one group of columns and, in the upper 16 bits, for the next.
struct Subs {
  __m256i halves[2];  // 8 rows each
};
Subs LoadSubs(const std::byte* subs) {
  const __m128i rows_side_by_side =
      _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  const __m256i both = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(LoadHalf(subs), rows_side_by_side));
  return {{_mm256_and_si256(both, _mm256_set1_epi16(15)), _mm256_srli_epi16(both, 4)}};
}
// The lower (0) or upper (1) 16 bits of each lane, twice.
__m256i BothSixteens(__m256i v, int which) {
  const __m256i first = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13));
  return _mm256_shuffle_epi8(v, which == 0 ? first : _mm256_add_epi8(first, _mm256_set1_epi8(2)));
}

// The offsets of a block's 8 groups, which fit 16 bits (8 * 16 * 127 at most) -> `packed` [4], two
// in each.
void PackOffsets(const int32_t* offsets, int32_t* packed) {
  const __m128i both = _mm_packs_epi32(LoadHalf(offsets), LoadHalf(offsets + 4));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(packed), both);
}

// What follows waits for these: compilers else compute all products first and keep them in memory.
inline void InOrder(__m256i& a, __m256i& b, const std::byte*& next) {
  asm("" : "+x"(a), "+x"(b), "+r"(next));
}

// A 4-bit tile with up to 3 rows of x. Both halves meet the same four values of x, which are loaded
// once: instructions are the limit, not the arithmetic among them.
template <int kRows>
void Q4Rows(const std::byte* tile, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m256 total[2][kRows];
  for (auto& half : total) std::fill_n(half, kRows, _mm256_setzero_ps());
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    const std::byte* data = block + kScaleBytes;
    int32_t offsets[kRows][kGroups / 2];  // of two groups each, in 16 bits
    for (int i = 0; i < kRows; ++i) PackOffsets(x[i].group_offsets + b * kGroups, offsets[i]);
    __m256i sum[2][kRows];
    for (auto& half : sum) std::fill_n(half, kRows, _mm256_setzero_si256());
    for (int two = 0; two < kGroups / 2; ++two) {
      const Subs subs = LoadSubs(block + two * 16);
      for (int g : {0, 1}) {
        __m256i pairs[2][kRows];
        const std::byte* at = data + (2 * two + g) * 128;
        for (int j = 0; j < 4; ++j) {
          const __m256i first = Load(at + j / 2 * 64), second = Load(at + j / 2 * 64 + 32);
          const __m256i w[2] = {j % 2 == 0 ? LowNibbles(first) : HighNibbles(first),
                                j % 2 == 0 ? LowNibbles(second) : HighNibbles(second)};
          for (int i = 0; i < kRows; ++i) {
            const __m256i four = Four(x[i].values + b * kBlock + (2 * two + g) * kGroup + 4 * j);
            for (int half : {0, 1}) {
              const __m256i product = _mm256_maddubs_epi16(w[half], four);
              pairs[half][i] = j == 0 ? product : _mm256_add_epi16(pairs[half][i], product);
            }
            if (kRows > 1) InOrder(pairs[0][i], pairs[1][i], at);
          }
        }
        for (int half : {0, 1}) {
          const __m256i sub = BothSixteens(subs.halves[half], g);
          for (int i = 0; i < kRows; ++i) {
            sum[half][i] = _mm256_add_epi32(sum[half][i], _mm256_madd_epi16(pairs[half][i], sub));
          }
        }
      }
      for (int i = 0; i < kRows; ++i) {
        const __m256i offset = _mm256_set1_epi32(offsets[i][two]);
        for (int half : {0, 1}) {
          sum[half][i] =
              _mm256_add_epi32(sum[half][i], _mm256_madd_epi16(offset, subs.halves[half]));
        }
      }
    }
    for (int i = 0; i < kRows; ++i) {
      const __m256 scale = _mm256_set1_ps(x[i].scales[b]);
      for (int half : {0, 1}) {
        total[half][i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[half][i]), scale, total[half][i]);
      }
    }
  }
  for (int half : {0, 1}) {
    const __m256 scales = _mm256_loadu_ps(reinterpret_cast<const float*>(tile) + half * 8);
    for (int i = 0; i < kRows; ++i) {
      _mm256_storeu_ps(y + i * y_stride + half * 8, _mm256_mul_ps(total[half][i], scales));
    }
  }
}

// An 8-bit tile with up to 3 rows of x.
template <int kRows>
void Q8Rows(const std::byte* tile, int64_t blocks, const QuantizedRow* x, float* y,
            int64_t y_stride) {
  __m256 total[2][kRows];
  for (auto& half : total) std::fill_n(half, kRows, _mm256_setzero_ps());
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + b * kQ8Block;
    __m256i sum[2][kRows];
    for (auto& half : sum) std::fill_n(half, kRows, _mm256_setzero_si256());
    for (int v = 0; v < 32; ++v) {
      const __m256i w[2] = {Load(block + kScaleBytes + v * 64),
                            Load(block + kScaleBytes + v * 64 + 32)};
      for (int i = 0; i < kRows; ++i) {
        const __m256i four = Four(x[i].values + b * kBlock + 4 * v);
        for (int half : {0, 1}) sum[half][i] = AddBytes(sum[half][i], w[half], four);
      }
    }
    for (int half : {0, 1}) {
      const __m256 scales = _mm256_loadu_ps(reinterpret_cast<const float*>(block) + half * 8);
      for (int i = 0; i < kRows; ++i) {
        const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[i].scales[b]));
        total[half][i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[half][i]), scale, total[half][i]);
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    _mm256_storeu_ps(y + i * y_stride, total[0][i]);
    _mm256_storeu_ps(y + i * y_stride + 8, total[1][i]);
  }
}

// Calls fn(rows, first row) for n rows, 3 or 2 at a time: one by itself costs most.
template <class Fn>
void InThrees(int n, const Fn& fn) {
  for (int i = 0; i < n;) {
    const int rows = n - i == 4 ? 2 : std::min(kAtOnce, n - i);
    if (rows == 1) fn(std::integral_constant<int, 1>(), i);
    if (rows == 2) fn(std::integral_constant<int, 2>(), i);
    if (rows == 3) fn(std::integral_constant<int, 3>(), i);
    i += rows;
  }
}

void Q4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  InThrees(
      n, [&](auto rows, int i) { Q4Rows<rows>(tile, blocks, x + i, y + i * y_stride, y_stride); });
}

void Q8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  InThrees(
      n, [&](auto rows, int i) { Q8Rows<rows>(tile, blocks, x + i, y + i * y_stride, y_stride); });
}

// For AVX2 with VNNI, which takes it from this table (int_dot_vnni256.h).
void WidenQ4Tile(const std::byte* tile, int64_t blocks, uint8_t* bytes) {
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    for (int g = 0; g < kGroups; ++g) {
      for (int half : {0, 1}) {
        const __m256i sub16 = BothSixteens(LoadSubs(block + g / 2 * 16).halves[half], g % 2);
        const __m256i sub8 = _mm256_or_si256(sub16, _mm256_slli_epi16(sub16, 8));
        // (q + 8) * sub + 128 - 8 sub stays below 256 on the way.
        const __m256i shift = _mm256_sub_epi8(_mm256_set1_epi8(-128), _mm256_slli_epi16(sub8, 3));
        const auto widen = [&](__m256i nibbles, uint8_t* out) {
          const __m256i even =
              _mm256_mullo_epi16(_mm256_and_si256(nibbles, _mm256_set1_epi16(255)), sub16);
          const __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(nibbles, 8), sub16);
          const __m256i both = _mm256_or_si256(even, _mm256_slli_epi16(odd, 8));
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_add_epi8(both, shift));
        };
        const std::byte* data = block + kScaleBytes + g * 128 + half * 32;
        uint8_t* out = bytes + b * 2048 + g * 256 + half * 32;
        widen(LowNibbles(Load(data)), out);
        widen(HighNibbles(Load(data)), out + 64);
        widen(LowNibbles(Load(data + 64)), out + 128);
        widen(HighNibbles(Load(data + 64)), out + 192);
      }
    }
  }
}

void Q8Pair(const std::byte* tiles, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  Q8Tile(tiles, blocks, x, n, y, y_stride);
  Q8Tile(tiles + blocks * kQ8Block, blocks, x, n, y + kTileRows, y_stride);
}

float Q4Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + 4 + blocks * 4;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const int8_t* values = x.values + b * kBlock;
    const int32_t* offsets = x.group_offsets + b * kGroups;
    __m256i sum = _mm256_setzero_si256();
    int32_t corrections = 0;
    for (int g = 0; g < 4; ++g) {  // groups g and g + 4
      const int subs = std::to_integer<int>(row[4 + b * 4 + g]);
      const __m128i nibbles = LoadHalf(data + b * 64 + g * 16);
      const __m128i low = _mm_and_si128(nibbles, _mm_set1_epi8(15));
      const __m128i high = _mm_and_si128(_mm_srli_epi16(nibbles, 4), _mm_set1_epi8(15));
      const __m256i w = _mm256_set_m128i(high, low);
      const __m256i v = _mm256_set_m128i(LoadHalf(values + 64 + g * 16), LoadHalf(values + g * 16));
      const __m256i sub = _mm256_set_m128i(_mm_set1_epi16(static_cast<int16_t>(subs >> 4)),
                                           _mm_set1_epi16(static_cast<int16_t>(subs & 15)));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, v), sub));
      corrections += (subs & 15) * offsets[g] + (subs >> 4) * offsets[g + 4];
    }
    const int32_t whole = SumOfLanes(sum) + corrections;
    total = __builtin_fmaf(static_cast<float>(whole), x.scales[b], total);
  }
  return total * FloatAt(row);
}

float Q8Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + blocks * 4;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    __m256i sum = _mm256_setzero_si256();
    for (int64_t k = b * kBlock; k < (b + 1) * kBlock; k += 32) {
      sum = AddBytes(sum, Load(data + k), Load(x.values + k));
    }
    total = __builtin_fmaf(static_cast<float>(SumOfLanes(sum)), FloatAt(row + b * 4) * x.scales[b],
                           total);
  }
  return total;
}

void AddEight(__m256 scale, __m256i elements, float* y) {
  _mm256_storeu_ps(y, _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(elements), _mm256_loadu_ps(y)));
}

void AddQ4Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  const __m256 scale = _mm256_set1_ps(factor * FloatAt(row));
  const std::byte* data = row + 4 + blocks * 4;
  for (int64_t i = begin * 64; i < end * 64; i += 8) {
    const int64_t b = i / 64, k = i % 64;
    const int subs = std::to_integer<int>(row[4 + b * 4 + k / kGroup]);
    const __m256i both =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + i)));
    const auto add = [&](__m256i nibbles, int sub, float* out) {
      const __m256i q = _mm256_sub_epi32(nibbles, _mm256_set1_epi32(8));
      AddEight(scale, _mm256_mullo_epi32(q, _mm256_set1_epi32(sub)), out);
    };
    add(_mm256_and_si256(both, _mm256_set1_epi32(15)), subs & 15, y + (b - begin) * kBlock + k);
    add(_mm256_srli_epi32(both, 4), subs >> 4, y + (b - begin) * kBlock + 64 + k);
  }
}

void AddQ8Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  for (int64_t k = begin * kBlock; k < end * kBlock; k += 8) {
    const __m256 scale = _mm256_set1_ps(factor * FloatAt(row + k / kBlock * 4));
    const __m256i bytes = _mm256_cvtepu8_epi32(
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + blocks * 4 + k)));
    AddEight(scale, _mm256_sub_epi32(bytes, _mm256_set1_epi32(128)), y + k - begin * kBlock);
  }
}

float QuantizeBlock(const float* x, int8_t* values, int32_t* group_sums) {
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  __m256 largest = _mm256_setzero_ps(), finite = no_sign;
  for (int64_t k = 0; k < kBlock; k += 8) {
    const __m256 size = _mm256_and_ps(_mm256_loadu_ps(x + k), no_sign);
    largest = _mm256_max_ps(largest, size);
    finite = _mm256_and_ps(finite, _mm256_cmp_ps(size, _mm256_set1_ps(__FLT_MAX__), _CMP_LE_OQ));
  }
  float lanes[8], most = 0;
  _mm256_storeu_ps(lanes, largest);
  for (float lane : lanes) most = std::max(most, lane);
  const __m256i checked =
      _mm256_cmpeq_epi32(_mm256_castps_si256(finite), _mm256_castps_si256(no_sign));
  const bool is_finite = _mm256_movemask_epi8(checked) == -1;
  const bool empty = !is_finite || most < kSmallestOfABlock;
  const __m256 inverse = _mm256_set1_ps(empty ? 0.0f : 127.0f / most);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packing works by halves
  for (int64_t k = 0; k < kBlock; k += 32) {
    const auto whole = [&](int64_t at) {
      return empty ? _mm256_setzero_si256()
                   : _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + at), inverse));
    };
    const __m256i low = _mm256_packs_epi32(whole(k), whole(k + 8));
    const __m256i high = _mm256_packs_epi32(whole(k + 16), whole(k + 24));
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + k), bytes);
    __m256i sum =
        _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(1));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4E));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xB1));
    group_sums[k / kGroup] = _mm256_extract_epi32(sum, 0);
    group_sums[k / kGroup + 1] = _mm256_extract_epi32(sum, 4);
  }
  if (!is_finite) return __builtin_nanf("");
  return empty ? 0.0f : most / 127.0f;
}

}  // namespace

const IntKernels* Avx2IntKernels() {
  static constexpr IntKernels kKernels = {"avx2",   Q4Tile,   Q8Tile,        WidenQ4Tile,
                                          nullptr,  Q8Pair,   Q4Row,         Q8Row,
                                          AddQ4Row, AddQ8Row, QuantizeBlock, kAtOnce};
  const bool usable = IsAllowed("avx2") && __builtin_cpu_supports("fma");
  return usable ? &kKernels : nullptr;
}

}  // namespace gemma3n::kernels

HWY_POP_ATTRIBUTES

#else

namespace gemma3n::kernels {
const IntKernels* Avx2IntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
