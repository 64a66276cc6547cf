// SPDX-License-Identifier: Apache-2.0
// The integer kernels for arm64 with the dot-product instructions. A vector holds 4 rows, a quarter
// of a tile.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_ARM_A64
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cmath>
#include <cstring>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod")

namespace gemma3n::kernels {
namespace {

using packed::kBlock;
using packed::kGroup;
using packed::kGroups;
using packed::kQ4Block;
using packed::kQ8Block;
using packed::kScaleBytes;
using packed::kTileRows;

constexpr int kMostRows = IntKernels::kMostRows;

uint8x16_t Load(const void* p) {
  return vld1q_u8(static_cast<const uint8_t*>(p));
}
float32x4_t LoadFloats(const std::byte* p) {
  return vreinterpretq_f32_u8(Load(p));
}
float FloatAt(const std::byte* data) {
  float value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}
// 4 values of x in every lane.
int8x16_t Four(const int8_t* x) {
  int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
// q of stored q + 8.
int8x16_t LowNibbles(uint8x16_t v) {
  return vsubq_s8(vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15))), vdupq_n_s8(8));
}
int8x16_t HighNibbles(uint8x16_t v) {
  return vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(v, 4)), vdupq_n_s8(8));
}
// w of stored w + 128.
int8x16_t Bytes(uint8x16_t v) {
  return vreinterpretq_s8_u8(veorq_u8(v, vdupq_n_u8(128)));
}

// The sub-scales of the quarter's 4 rows for one group of columns.
int32x4_t LoadSubs(const std::byte* subs, int group, int quarter) {
  uint32_t four;
  std::memcpy(&four, subs + group * 8 + quarter % 2 * 4, sizeof(four));
  four = (quarter < 2 ? four : four >> 4) & 0x0f0f0f0fu;
  const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}

void Q4Quarter(const std::byte* tile, int quarter, int64_t blocks, const QuantizedRow* x, int n,
               float* y, int64_t y_stride) {
  float32x4_t total[kMostRows];
  for (int i = 0; i < n; ++i) total[i] = vdupq_n_f32(0);
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    int32x4_t sum[kMostRows];
    for (int i = 0; i < n; ++i) sum[i] = vdupq_n_s32(0);
    for (int g = 0; g < kGroups; ++g) {
      const std::byte* data = block + kScaleBytes + g * 128 + quarter * 16;
      const uint8x16_t first = Load(data), second = Load(data + 64);
      const int8x16_t w[4] = {LowNibbles(first), HighNibbles(first), LowNibbles(second),
                              HighNibbles(second)};
      const int32x4_t sub = LoadSubs(block, g, quarter);
      for (int i = 0; i < n; ++i) {
        const int8_t* values = x[i].values + b * kBlock + g * kGroup;
        int32x4_t part = vdupq_n_s32(0);
        for (int j = 0; j < 4; ++j) part = vdotq_s32(part, w[j], Four(values + 4 * j));
        sum[i] = vmlaq_s32(sum[i], part, sub);
      }
    }
    for (int i = 0; i < n; ++i) {
      total[i] = vfmaq_f32(total[i], vcvtq_f32_s32(sum[i]), vdupq_n_f32(x[i].scales[b]));
    }
  }
  const float32x4_t scales = LoadFloats(tile + quarter * 16);
  for (int i = 0; i < n; ++i) {
    vst1q_f32(y + i * y_stride + quarter * 4, vmulq_f32(total[i], scales));
  }
}

// A tile of bytes, 2048 a block: block b's begin at bytes + b * stride. Scales of each block lie
// before its bytes (8-bit tiles) or, where `row_scales` is given, once for the whole row.
struct ByteTile {
  const std::byte* bytes;
  int64_t stride;
  const std::byte* row_scales;
};

void ByteQuarter(const ByteTile& tile, int quarter, int64_t blocks, const QuantizedRow* x, int n,
                 float* y, int64_t y_stride) {
  float32x4_t total[kMostRows];
  for (int i = 0; i < n; ++i) total[i] = vdupq_n_f32(0);
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* data = tile.bytes + b * tile.stride + quarter * 16;
    int32x4_t sum[kMostRows];
    for (int i = 0; i < n; ++i) sum[i] = vdupq_n_s32(0);
    for (int v = 0; v < 32; ++v) {
      const int8x16_t w = Bytes(Load(data + v * 64));
      for (int i = 0; i < n; ++i) {
        sum[i] = vdotq_s32(sum[i], w, Four(x[i].values + b * kBlock + 4 * v));
      }
    }
    for (int i = 0; i < n; ++i) {
      float32x4_t scale = vdupq_n_f32(x[i].scales[b]);
      if (tile.row_scales == nullptr) scale = vmulq_f32(LoadFloats(data - kScaleBytes), scale);
      total[i] = vfmaq_f32(total[i], vcvtq_f32_s32(sum[i]), scale);
    }
  }
  for (int i = 0; i < n; ++i) {
    if (tile.row_scales != nullptr) {
      total[i] = vmulq_f32(total[i], LoadFloats(tile.row_scales + quarter * 16));
    }
    vst1q_f32(y + i * y_stride + quarter * 4, total[i]);
  }
}

void Q4Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    Q4Quarter(tile, quarter, blocks, x, n, y, y_stride);
  }
}

void AnyBytes(const ByteTile& tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
              int64_t y_stride) {
  for (int quarter = 0; quarter < 4; ++quarter) {
    ByteQuarter(tile, quarter, blocks, x, n, y, y_stride);
  }
}

void Q8Tile(const std::byte* tile, int64_t blocks, const QuantizedRow* x, int n, float* y,
            int64_t y_stride) {
  AnyBytes({tile + kScaleBytes, kQ8Block, nullptr}, blocks, x, n, y, y_stride);
}

void WidenQ4Tile(const std::byte* tile, int64_t blocks, uint8_t* bytes) {
  for (int64_t b = 0; b < blocks; ++b) {
    const std::byte* block = tile + kScaleBytes + b * kQ4Block;
    for (int g = 0; g < kGroups; ++g) {
      for (int quarter = 0; quarter < 4; ++quarter) {
        const int32x4_t sub = LoadSubs(block, g, quarter);
        // A row's sub-scale in each of its 4 bytes.
        const int8x16_t sub8 = vreinterpretq_s8_s32(vmulq_n_s32(sub, 0x01010101));
        const std::byte* data = block + kScaleBytes + g * 128 + quarter * 16;
        uint8_t* out = bytes + b * 2048 + g * 256 + quarter * 16;
        const auto widen = [&](int8x16_t q, uint8_t* to) {
          vst1q_u8(to, veorq_u8(vreinterpretq_u8_s8(vmulq_s8(q, sub8)), vdupq_n_u8(128)));
        };
        widen(LowNibbles(Load(data)), out);
        widen(HighNibbles(Load(data)), out + 64);
        widen(LowNibbles(Load(data + 64)), out + 128);
        widen(HighNibbles(Load(data + 64)), out + 192);
      }
    }
  }
}

void Q4Pair(const uint8_t* bytes, const std::byte* tiles, int64_t blocks, const QuantizedRow* x,
            int n, float* y, int64_t y_stride) {
  for (int64_t j : {0, 1}) {
    const std::byte* data = reinterpret_cast<const std::byte*>(bytes) + j * blocks * 2048;
    const std::byte* scales = tiles + j * (kScaleBytes + blocks * kQ4Block);
    AnyBytes({data, 2048, scales}, blocks, x, n, y + j * kTileRows, y_stride);
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
    int32x4_t sum = vdupq_n_s32(0);
    for (int g = 0; g < 4; ++g) {  // groups g and g + 4
      const int subs = std::to_integer<int>(row[4 + b * 4 + g]);
      const uint8x16_t nibbles = Load(data + b * 64 + g * 16);
      const int8_t* values = x.values + b * kBlock + g * kGroup;
      const int32x4_t zero = vdupq_n_s32(0);
      sum = vmlaq_n_s32(sum, vdotq_s32(zero, LowNibbles(nibbles), vld1q_s8(values)), subs & 15);
      sum =
          vmlaq_n_s32(sum, vdotq_s32(zero, HighNibbles(nibbles), vld1q_s8(values + 64)), subs >> 4);
    }
    total = std::fma(static_cast<float>(vaddvq_s32(sum)), x.scales[b], total);
  }
  return total * FloatAt(row);
}

float Q8Row(const std::byte* row, int64_t blocks, const QuantizedRow& x) {
  const std::byte* data = row + blocks * 4;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    int32x4_t sum = vdupq_n_s32(0);
    for (int64_t k = b * kBlock; k < (b + 1) * kBlock; k += 16) {
      sum = vdotq_s32(sum, Bytes(Load(data + k)), vld1q_s8(x.values + k));
    }
    total =
        std::fma(static_cast<float>(vaddvq_s32(sum)), FloatAt(row + b * 4) * x.scales[b], total);
  }
  return total;
}

// y += scale * sub * q for 16 columns.
void AddSixteen(float32x4_t scale, int8x16_t q, int sub, float* y) {
  const int16x8_t halves[2] = {vmovl_s8(vget_low_s8(q)), vmovl_s8(vget_high_s8(q))};
  for (int i = 0; i < 4; ++i) {
    const int16x4_t four = i % 2 == 0 ? vget_low_s16(halves[i / 2]) : vget_high_s16(halves[i / 2]);
    const float32x4_t elements = vcvtq_f32_s32(vmulq_n_s32(vmovl_s16(four), sub));
    vst1q_f32(y + 4 * i, vfmaq_f32(vld1q_f32(y + 4 * i), scale, elements));
  }
}

void AddQ4Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  const float32x4_t scale = vdupq_n_f32(factor * FloatAt(row));
  const std::byte* data = row + 4 + blocks * 4;
  for (int64_t b = begin; b < end; ++b) {
    for (int g = 0; g < 4; ++g) {
      const int subs = std::to_integer<int>(row[4 + b * 4 + g]);
      const uint8x16_t nibbles = Load(data + b * 64 + g * 16);
      float* out = y + (b - begin) * kBlock + g * kGroup;
      AddSixteen(scale, LowNibbles(nibbles), subs & 15, out);
      AddSixteen(scale, HighNibbles(nibbles), subs >> 4, out + 64);
    }
  }
}

void AddQ8Row(const std::byte* row, int64_t blocks, int64_t begin, int64_t end, float factor,
              float* y) {
  for (int64_t k = begin * kBlock; k < end * kBlock; k += 16) {
    const float32x4_t scale = vdupq_n_f32(factor * FloatAt(row + k / kBlock * 4));
    AddSixteen(scale, Bytes(Load(row + blocks * 4 + k)), 1, y + k - begin * kBlock);
  }
}

float QuantizeBlock(const float* x, int8_t* values, int32_t* group_sums) {
  float32x4_t largest = vdupq_n_f32(0);
  uint32x4_t finite = vdupq_n_u32(UINT32_MAX);
  for (int64_t k = 0; k < kBlock; k += 4) {
    const float32x4_t size = vabsq_f32(vld1q_f32(x + k));
    largest = vmaxq_f32(largest, size);
    finite = vandq_u32(finite, vcleq_f32(size, vdupq_n_f32(__FLT_MAX__)));
  }
  const float most = vmaxvq_f32(largest);
  const bool is_finite = vminvq_u32(finite) != 0;
  const bool empty = !is_finite || most < kSmallestOfABlock;
  const float inverse = empty ? 0.0f : 127.0f / most;
  for (int64_t k = 0; k < kBlock; k += kGroup) {
    const auto four = [&](int64_t at) {
      const int32x4_t whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + at), inverse));
      return vmovn_s32(empty ? vdupq_n_s32(0) : whole);
    };
    const int16x8_t low = vcombine_s16(four(k), four(k + 4));
    const int16x8_t high = vcombine_s16(four(k + 8), four(k + 12));
    const int8x16_t bytes = vcombine_s8(vmovn_s16(low), vmovn_s16(high));
    vst1q_s8(values + k, bytes);
    group_sums[k / kGroup] = vaddlvq_s8(bytes);
  }
  if (!is_finite) return __builtin_nanf("");
  return empty ? 0.0f : most / 127.0f;
}

}  // namespace

const IntKernels* NeonIntKernels() {
  static constexpr IntKernels kKernels = {"neondot", Q4Tile,   Q8Tile,       WidenQ4Tile,
                                          Q4Pair,    Q8Pair,   Q4Row,        Q8Row,
                                          AddQ4Row,  AddQ8Row, QuantizeBlock};
  const bool usable = IsAllowed("neon") && (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  return usable ? &kKernels : nullptr;
}

}  // namespace gemma3n::kernels

HWY_POP_ATTRIBUTES

#else

namespace gemma3n::kernels {
const IntKernels* NeonIntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
