// SPDX-License-Identifier: Apache-2.0
#include "media/pcm.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace gemma3n {
namespace {

template <int kBytes>
uint64_t Word(const uint8_t* bytes, bool big_endian) {
  uint64_t word = 0;
  for (int i = 0; i < kBytes; ++i) word = word << 8 | bytes[big_endian ? i : kBytes - 1 - i];
  return word;
}

// A number of kBytes bytes at the top of 32 bits.
template <int kBytes>
float Whole(const uint8_t* bytes, bool big_endian) {
  const auto word = static_cast<uint32_t>(Word<kBytes>(bytes, big_endian)) << (32 - 8 * kBytes);
  return static_cast<float>(static_cast<int32_t>(word)) / 2147483648.0f;
}

float Unsigned8(const uint8_t* bytes, bool) {
  return static_cast<float>(*bytes - 128) / 128.0f;
}

float Float32(const uint8_t* bytes, bool big_endian) {
  return std::bit_cast<float>(static_cast<uint32_t>(Word<4>(bytes, big_endian)));
}

float Float64(const uint8_t* bytes, bool big_endian) {
  return static_cast<float>(std::bit_cast<double>(Word<8>(bytes, big_endian)));
}

float MuLaw(const uint8_t* bytes, bool) {
  const int code = ~*bytes & 0xff;
  const int size = ((((code & 0x0f) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
  return static_cast<float>((code & 0x80) != 0 ? -size : size) / 32768.0f;
}

float ALaw(const uint8_t* bytes, bool) {
  const int code = *bytes ^ 0x55;
  const int segment = code >> 4 & 7;
  int size = ((code & 0x0f) << 4) + 8;
  if (segment > 0) size = (size + 0x100) << (segment - 1);
  return static_cast<float>((code & 0x80) != 0 ? size : -size) / 32768.0f;
}

template <class Decode>
void Each(Decode decode, size_t step, bool big_endian, const uint8_t* bytes, size_t count,
          float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = decode(bytes + i * step, big_endian);
}

}  // namespace

size_t BytesOfSample(PcmCoding coding) {
  switch (coding) {
    case PcmCoding::kUnsigned8:
    case PcmCoding::kMuLaw:
    case PcmCoding::kALaw:
      return 1;
    case PcmCoding::kSigned16:
      return 2;
    case PcmCoding::kSigned24:
      return 3;
    case PcmCoding::kSigned32:
    case PcmCoding::kFloat32:
      return 4;
    case PcmCoding::kFloat64:
      return 8;
  }
  CHECK(false);
}

void DecodePcm(PcmCoding coding, bool big_endian, const uint8_t* bytes, size_t count, float* out) {
  const size_t step = BytesOfSample(coding);
  const auto each = [&](auto decode) { Each(decode, step, big_endian, bytes, count, out); };
  switch (coding) {
    case PcmCoding::kUnsigned8:
      return each(Unsigned8);
    case PcmCoding::kSigned16:
      return each(Whole<2>);
    case PcmCoding::kSigned24:
      return each(Whole<3>);
    case PcmCoding::kSigned32:
      return each(Whole<4>);
    case PcmCoding::kFloat32:
      return each(Float32);
    case PcmCoding::kFloat64:
      return each(Float64);
    case PcmCoding::kMuLaw:
      return each(MuLaw);
    case PcmCoding::kALaw:
      return each(ALaw);
  }
}

}  // namespace gemma3n
