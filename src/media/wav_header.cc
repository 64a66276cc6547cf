// SPDX-License-Identifier: Apache-2.0
#include "media/wav_header.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "media/media_error.h"

namespace gemma3n {
namespace {

enum : uint32_t { kPcm = 1, kFloat = 3, kALaw = 6, kMuLaw = 7, kExtensible = 0xfffe };

struct Bytes {
  std::span<const uint8_t> data;
  bool big;
  uint32_t U16(uint64_t at) const {
    return big ? data[at] << 8 | data[at + 1] : data[at + 1] << 8 | data[at];
  }
  uint32_t U32(uint64_t at) const {
    return big ? U16(at) << 16 | U16(at + 2) : U16(at + 2) << 16 | U16(at);
  }
  std::string_view Id(uint64_t at) const {
    return {reinterpret_cast<const char*>(data.data()) + at, 4};
  }
};

// What the last 14 bytes of an extensible format's id must be for its first two to be a plain one.
constexpr std::array<uint8_t, 14> kPlainGuidTail = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                                    0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71};

void CheckCoding(uint32_t tag, uint32_t bits, const std::string& name) {
  const bool whole = bits == 8 || bits == 16 || bits == 24 || bits == 32;
  if (tag == kPcm && whole) return;
  if (tag == kFloat && (bits == 32 || bits == 64)) return;
  if ((tag == kALaw || tag == kMuLaw) && bits == 8) return;
  char found[64];
  std::snprintf(found, sizeof found, "format 0x%04x with %u bits", tag, bits);
  ThrowMedia(name,
             std::string("unsupported WAV coding: expected PCM of 8, 16, 24 or 32 bits, float "
                         "of 32 or 64 bits, mu-law or A-law, found ") +
                 found);
}

WavHeader ReadFormat(const Bytes& bytes, uint64_t at, uint64_t size, const std::string& name) {
  if (size < 16 || at + size > bytes.data.size())
    ThrowMedia(name, "the WAV header is damaged: its format chunk is too short");
  uint32_t tag = bytes.U16(at);
  if (tag == kExtensible && size >= 40) {
    const uint8_t* guid = bytes.data.data() + at + 24;
    // In a big-endian file the numbers inside are swapped, the last eight bytes are not.
    const size_t fixed_from = bytes.big ? 6 : 0;
    if (std::memcmp(guid + 2 + fixed_from, kPlainGuidTail.data() + fixed_from, 14 - fixed_from) !=
        0)
      ThrowMedia(name, "unsupported WAV coding: an extensible format of an unknown kind");
    tag = bytes.big ? bytes.U32(at + 24) : bytes.U16(at + 24);
  }
  CheckCoding(tag, bytes.U16(at + 14), name);
  return {bytes.U16(at + 2), bytes.U32(at + 4)};
}

}  // namespace

WavHeader CheckWavHeader(std::span<const uint8_t> data, const std::string& name) {
  const Bytes bytes{data, data.size() >= 4 && std::memcmp(data.data(), "RIFX", 4) == 0};
  bool have_format = false;
  WavHeader header;
  uint64_t at = 12;
  while (at + 8 <= data.size()) {
    const std::string_view id = bytes.Id(at);
    const uint64_t size = bytes.U32(at + 4);
    if (id == "fmt " && have_format) ThrowMedia(name, "the WAV header has two format chunks");
    if (id == "fmt ") {
      header = ReadFormat(bytes, at + 8, size, name);
      have_format = true;
    }
    if (id == "data") {
      if (!have_format) ThrowMedia(name, "the WAV header is damaged: samples before their format");
      return header;
    }
    at += 8 + size + (size & 1);
  }
  ThrowMedia(name, have_format ? "the WAV file has no samples: no data chunk"
                               : "the WAV header is damaged: no format chunk");
}

}  // namespace gemma3n
