// SPDX-License-Identifier: Apache-2.0
#include "convert/block_rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace gemma3n {
namespace {

constexpr int64_t kBlock = 32;        // weights of a block of Q4_0 and Q8_0
constexpr int64_t kSuperBlock = 256;  // of Q6_K
constexpr int64_t kGroup = 16;        // of Q6_K: weights that share a scale
constexpr int64_t kGroups = kSuperBlock / kGroup;

// Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even; |x| < 2^22.
float Nearest(float x) {
  constexpr float kRounder = 12582912.0f;
  return (x + kRounder) - kRounder;
}

float Clamped(float x, float low, float high) {
  return std::min(high, std::max(low, x));
}

void Put(F16 value, std::byte* out) {
  std::memcpy(out, &value.bits, sizeof(value.bits));
}

// A scale as the file will hold it, and what weights are multiplied by.
struct Scale {
  explicit Scale(float wanted)
      : stored(ToF16(wanted)), value(ToFloat(stored)), inverse(value != 0 ? 1.0f / value : 0.0f) {}
  F16 stored;
  float value, inverse;
};

// The weight of largest magnitude, with its sign.
float LargestOf(const float* w, int64_t n) {
  float largest = 0;
  for (int64_t k = 0; k < n; ++k) {
    if (std::abs(w[k]) > std::abs(largest)) largest = w[k];
  }
  return largest;
}

Fit RoundQ80(const float* w, std::byte* out) {
  const Scale scale(std::abs(LargestOf(w, kBlock)) / 127.0f);
  if (!std::isfinite(scale.value)) return Fit::kTooLarge;
  Put(scale.stored, out);
  for (int64_t k = 0; k < kBlock; ++k) {
    out[2 + k] = static_cast<std::byte>(
        static_cast<int8_t>(Clamped(Nearest(w[k] * scale.inverse), -127.0f, 127.0f)));
  }
  return Fit::kFits;
}

float RoundedTo4Bits(float x) {
  return Clamped(Nearest(x), -8.0f, 7.0f);
}

float ErrorOfQ40(const float* w, const Scale& scale) {
  float error = 0;
  for (int64_t k = 0; k < kBlock; ++k) {
    const float difference = w[k] - scale.value * RoundedTo4Bits(w[k] * scale.inverse);
    error += difference * difference;
  }
  return error;
}

// The scale of least squared error for the numbers that `scale` gives.
Scale Refined(const float* w, const Scale& scale) {
  float products = 0, squares = 0;
  for (int64_t k = 0; k < kBlock; ++k) {
    const float number = RoundedTo4Bits(w[k] * scale.inverse);
    products += number * w[k];
    squares += number * number;
  }
  return Scale(squares > 0 ? products / squares : 0.0f);
}

Fit RoundQ40(const float* w, std::byte* out) {
  const float largest = LargestOf(w, kBlock);
  Scale best(largest / -8.0f);
  if (!std::isfinite(best.value)) return Fit::kTooLarge;
  float least = ErrorOfQ40(w, best);
  const auto take = [&](const Scale& scale) {
    const float error = ErrorOfQ40(w, scale);
    if (!(error < least)) return;
    least = error;
    best = scale;
  };
  for (int i = 0; i < 9; ++i) take(Scale(largest / (-7.0f - 0.25f * static_cast<float>(i))));
  take(Refined(w, best));
  Put(best.stored, out);
  constexpr int64_t kHalf = kBlock / 2;
  for (int64_t k = 0; k < kHalf; ++k) {
    const int low = static_cast<int>(RoundedTo4Bits(w[k] * best.inverse)) + 8;
    const int high = static_cast<int>(RoundedTo4Bits(w[k + kHalf] * best.inverse)) + 8;
    out[2 + k] = static_cast<std::byte>(low | high << 4);
  }
  return Fit::kFits;
}

float RoundedTo6Bits(float x) {
  return Clamped(Nearest(x), -32.0f, 31.0f);
}

// The step for 16 weights with the least squared error among some.
float BestStepOf6Bits(const float* w) {
  const float largest = std::abs(LargestOf(w, kGroup));
  float best = 0, least = INFINITY;
  for (int i = 0; i < 5; ++i) {
    const float step = largest / (30.0f + 0.5f * static_cast<float>(i));
    const float inverse = step > 0 ? 1.0f / step : 0.0f;
    float error = 0;
    for (int64_t k = 0; k < kGroup; ++k) {
      const float difference = w[k] - step * RoundedTo6Bits(w[k] * inverse);
      error += difference * difference;
    }
    if (error < least) {
      least = error;
      best = step;
    }
  }
  return best;
}

// 128 bytes of low halves of the numbers, 64 of their upper two bits, 16 scales, one for all.
Fit RoundQ6K(const float* w, std::byte* out) {
  float steps[kGroups];
  for (int64_t g = 0; g < kGroups; ++g) steps[g] = BestStepOf6Bits(w + g * kGroup);
  const Scale scale(*std::max_element(steps, steps + kGroups) / 127.0f);
  if (!std::isfinite(scale.value)) return Fit::kTooLarge;
  std::byte *low = out, *high = out + 128, *scales = out + 192;
  std::memset(out, 0, 192);
  Put(scale.stored, out + 208);
  for (int64_t g = 0; g < kGroups; ++g) {
    const float sub = Clamped(Nearest(steps[g] * scale.inverse), 0.0f, 127.0f);
    scales[g] = static_cast<std::byte>(static_cast<int8_t>(sub));
    const float step = scale.value * sub, inverse = step > 0 ? 1.0f / step : 0.0f;
    for (int64_t k = g * kGroup; k < (g + 1) * kGroup; ++k) {
      const int number = static_cast<int>(RoundedTo6Bits(w[k] * inverse)) + 32;
      const int64_t half = k / 128, quarter = k % 128 / 32, in = k % 32;
      low[half * 64 + quarter % 2 * 32 + in] |=
          static_cast<std::byte>((number & 15) << (quarter >= 2 ? 4 : 0));
      high[half * 32 + in] |= static_cast<std::byte>(number >> 4 << 2 * quarter);
    }
  }
  return Fit::kFits;
}

template <int64_t kSize, int64_t kBytes>
Fit RoundBlocks(const float* row, int64_t columns, std::byte* out,
                Fit (*round)(const float*, std::byte*)) {
  CHECK_EQ(columns % kSize, 0);
  for (int64_t block = 0; block < columns / kSize; ++block) {
    const Fit fit = round(row + block * kSize, out + block * kBytes);
    if (fit != Fit::kFits) return fit;
  }
  return Fit::kFits;
}

Fit RoundToF16(const float* row, int64_t columns, std::byte* out) {
  constexpr uint16_t kExponent = 0x7C00;  // all of its bits set: infinite
  uint16_t largest = 0;
  for (int64_t k = 0; k < columns; ++k) {
    const F16 value = ToF16(row[k]);
    largest = std::max(largest, static_cast<uint16_t>(value.bits & 0x7FFF));
    Put(value, out + 2 * k);
  }
  return largest < kExponent ? Fit::kFits : Fit::kTooLarge;
}

bool AllFinite(const float* row, int64_t columns) {
  bool finite = true;
  for (int64_t k = 0; k < columns; ++k) finite &= std::abs(row[k]) <= 3.40282347e38f;
  return finite;
}

}  // namespace

Fit RoundRow(DType dtype, const float* row, int64_t columns, std::byte* out) {
  if (!AllFinite(row, columns)) return Fit::kNotFinite;
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, row, static_cast<size_t>(columns) * sizeof(float));
      return Fit::kFits;
    case DType::kBF16:
      for (int64_t k = 0; k < columns; ++k) {
        const Bf16 value = ToBf16(row[k]);
        std::memcpy(out + 2 * k, &value.bits, 2);
      }
      return Fit::kFits;
    case DType::kF16:
      return RoundToF16(row, columns, out);
    case DType::kBlockQ80:
      return RoundBlocks<kBlock, 34>(row, columns, out, RoundQ80);
    case DType::kBlockQ40:
      return RoundBlocks<kBlock, 18>(row, columns, out, RoundQ40);
    case DType::kBlockQ6K:
      return RoundBlocks<kSuperBlock, 210>(row, columns, out, RoundQ6K);
    default:
      CheckFailed(__FILE__, __LINE__, "a type that nothing is rounded to");
  }
}

}  // namespace gemma3n
