// SPDX-License-Identifier: Apache-2.0
// Bytes of samples as WAV files hold them -> floats, full scale at 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma3n {

enum class PcmCoding {
  kUnsigned8,
  kSigned16,
  kSigned24,
  kSigned32,
  kFloat32,
  kFloat64,
  kMuLaw,
  kALaw
};

size_t BytesOfSample(PcmCoding coding);

// `count` samples, one after the other: whole numbers n -> n / 2^(bits-1); mu-law and A-law by
// ITU-T G.711 to 16 bits first. These are libsndfile's values.
void DecodePcm(PcmCoding coding, bool big_endian, const uint8_t* bytes, size_t count, float* out);

}  // namespace gemma3n
