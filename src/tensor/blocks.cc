// SPDX-License-Identifier: Apache-2.0
#include "tensor/blocks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace gemma3n::blocks {
namespace {

constexpr int kHalf = 16;  // elements in the low halves of a block of 32

// The levels of IQ4_NL and IQ4_XS, a part of the format.
constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};

float HalfAt(const uint8_t* bytes) {
  F16 value;
  std::memcpy(&value.bits, bytes, sizeof(value.bits));
  return ToFloat(value);
}

uint32_t WordAt(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// 32 elements scale * (q + shift) + offset, q in the halves of 16 bytes.
struct Affine {
  float scale;
  int shift;
  float offset;
};
void DecodeHalves(const uint8_t* halves, Affine how, float* out) {
  for (int i = 0; i < kHalf; ++i) {
    out[i] = how.scale * static_cast<float>((halves[i] & 15) + how.shift) + how.offset;
    out[i + kHalf] = how.scale * static_cast<float>((halves[i] >> 4) + how.shift) + how.offset;
  }
}

// The same with a fifth bit for each element.
void DecodeHalves(const uint8_t* halves, uint32_t fifth, Affine how, float* out) {
  for (int i = 0; i < kHalf; ++i) {
    const int low = (halves[i] & 15) | static_cast<int>(fifth >> i & 1) << 4;
    const int high = halves[i] >> 4 | static_cast<int>(fifth >> (i + kHalf) & 1) << 4;
    out[i] = how.scale * static_cast<float>(low + how.shift) + how.offset;
    out[i + kHalf] = how.scale * static_cast<float>(high + how.shift) + how.offset;
  }
}

void DecodeLevels(const uint8_t* halves, float scale, float* out) {
  for (int i = 0; i < kHalf; ++i) {
    out[i] = scale * static_cast<float>(kLevels[halves[i] & 15]);
    out[i + kHalf] = scale * static_cast<float>(kLevels[halves[i] >> 4]);
  }
}

void DecodeQ80(const uint8_t* block, float* out) {
  const float d = HalfAt(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}

// Two bits each: of 128 elements, 32 neighbours lie at the same bits of 32 bytes.
int TwoBits(const uint8_t* bytes, int element) {
  return bytes[element / 128 * 32 + element % 32] >> element % 128 / 32 * 2 & 3;
}

void DecodeQ2K(const uint8_t* block, float* out) {
  const float d = HalfAt(block + 80), dmin = HalfAt(block + 82);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(block[group] & 15);
    const float minimum = dmin * static_cast<float>(block[group] >> 4);
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      out[i] = scale * static_cast<float>(TwoBits(block + 16, i)) - minimum;
    }
  }
}

void DecodeQ3K(const uint8_t* block, float* out) {
  const uint8_t* third = block;
  const uint8_t* scales = block + 96;
  const float d = HalfAt(block + 108);
  for (int group = 0; group < 16; ++group) {
    const int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const int high = scales[8 + group % 4] >> group / 4 * 2 & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      const int bit = third[i % 32] >> i / 32 & 1;
      out[i] = scale * static_cast<float>(TwoBits(block + 32, i) + bit * 4 - 4);
    }
  }
}

// Scale and minimum of each 32 elements, in 6 bits each: four of both in the lower bits of 8 bytes,
// the other four in the halves of the last 4 bytes and the upper bits of the first 8.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum ScaleOf(const uint8_t* bytes, int group) {
  if (group < 4) return {bytes[group] & 63, bytes[group + 4] & 63};
  return {(bytes[group + 4] & 15) | bytes[group - 4] >> 6 << 4,
          bytes[group + 4] >> 4 | bytes[group] >> 6 << 4};
}

// Q4_K, and Q5_K whose fifth bits of group g are bit g of 32 bytes.
void DecodeQ4K(const uint8_t* block, const uint8_t* fifth, const uint8_t* halves, float* out) {
  const float d = HalfAt(block), dmin = HalfAt(block + 2);
  for (int group = 0; group < 8; ++group) {
    const ScaleAndMinimum both = ScaleOf(block + 4, group);
    const float scale = d * static_cast<float>(both.scale);
    const float minimum = dmin * static_cast<float>(both.minimum);
    const uint8_t* q = halves + group / 2 * 32;
    for (int i = 0; i < 32; ++i) {
      const int upper = fifth != nullptr ? (fifth[i] >> group & 1) << 4 : 0;
      const int lower = group % 2 == 0 ? q[i] & 15 : q[i] >> 4;
      out[group * 32 + i] = scale * static_cast<float>(lower | upper) - minimum;
    }
  }
}

void DecodeQ6K(const uint8_t* block, float* out) {
  const uint8_t* upper = block + 128;
  const uint8_t* scales = block + 192;
  const float d = HalfAt(block + 208);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(static_cast<int8_t>(scales[group]));
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      const int quarter = i % 128 / 32;
      const int byte = block[i / 128 * 64 + quarter % 2 * 32 + i % 32];
      const int lower = quarter < 2 ? byte & 15 : byte >> 4;
      out[i] = scale * static_cast<float>((lower | TwoBits(upper, i) << 4) - 32);
    }
  }
}

void DecodeIQ4XS(const uint8_t* block, float* out) {
  const float d = HalfAt(block);
  const int upper = block[2] | block[3] << 8;
  for (int group = 0; group < 8; ++group) {
    const int low = block[4 + group / 2] >> group % 2 * 4 & 15;
    const int high = upper >> group * 2 & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    DecodeLevels(block + 8 + group * 16, scale, out + group * 32);
  }
}

}  // namespace

Layout LayoutOf(DType dtype) {
  switch (dtype) {
    case DType::kBlockQ40:
    case DType::kBlockIQ4NL:
      return {32, 18};
    case DType::kBlockQ41:
      return {32, 20};
    case DType::kBlockQ50:
      return {32, 22};
    case DType::kBlockQ51:
      return {32, 24};
    case DType::kBlockQ80:
      return {32, 34};
    case DType::kBlockQ2K:
      return {256, 84};
    case DType::kBlockQ3K:
      return {256, 110};
    case DType::kBlockQ4K:
      return {256, 144};
    case DType::kBlockQ5K:
      return {256, 176};
    case DType::kBlockQ6K:
      return {256, 210};
    case DType::kBlockIQ4XS:
      return {256, 136};
    default:
      CheckFailed(__FILE__, __LINE__, "not a type of blocks");
  }
}

void Decode(DType dtype, const std::byte* data, float* out) {
  const auto* block = reinterpret_cast<const uint8_t*>(data);
  switch (dtype) {
    case DType::kBlockQ40:
      return DecodeHalves(block + 2, {HalfAt(block), -8, 0}, out);
    case DType::kBlockQ41:
      return DecodeHalves(block + 4, {HalfAt(block), 0, HalfAt(block + 2)}, out);
    case DType::kBlockQ50:
      return DecodeHalves(block + 6, WordAt(block + 2), {HalfAt(block), -16, 0}, out);
    case DType::kBlockQ51:
      return DecodeHalves(block + 8, WordAt(block + 4), {HalfAt(block), 0, HalfAt(block + 2)}, out);
    case DType::kBlockQ80:
      return DecodeQ80(block, out);
    case DType::kBlockIQ4NL:
      return DecodeLevels(block + 2, HalfAt(block), out);
    case DType::kBlockQ2K:
      return DecodeQ2K(block, out);
    case DType::kBlockQ3K:
      return DecodeQ3K(block, out);
    case DType::kBlockQ4K:
      return DecodeQ4K(block, nullptr, block + 16, out);
    case DType::kBlockQ5K:
      return DecodeQ4K(block, block + 16, block + 48, out);
    case DType::kBlockQ6K:
      return DecodeQ6K(block, out);
    case DType::kBlockIQ4XS:
      return DecodeIQ4XS(block, out);
    default:
      CheckFailed(__FILE__, __LINE__, "not a type of blocks");
  }
}

void DecodeRow(DType dtype, const std::byte* data, int64_t columns, int64_t row, int64_t begin,
               int64_t count, float* out) {
  const Layout layout = LayoutOf(dtype);
  begin += row * columns;
  float whole[kMostElements];
  while (count > 0) {
    const int64_t skipped = begin % layout.elements;
    const int64_t taken = std::min(count, layout.elements - skipped);
    const std::byte* block = data + begin / layout.elements * layout.bytes;
    if (taken == layout.elements) {
      Decode(dtype, block, out);
    } else {
      Decode(dtype, block, whole);
      std::copy_n(whole + skipped, taken, out);
    }
    begin += taken;
    count -= taken;
    out += taken;
  }
}

}  // namespace gemma3n::blocks
