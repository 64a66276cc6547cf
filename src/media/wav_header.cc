// SPDX-License-Identifier: Apache-2.0
#include "media/wav_header.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "media/media_error.h"

namespace gemma3n {
namespace {

enum : uint32_t { kPcm = 1, kFloat = 3, kALaw = 6, kMuLaw = 7, kExtensible = 0xfffe };

constexpr int kMostChunks = 10000;
// What recorders write that do not know the size: these and above, and these to 2 GiB.
constexpr uint64_t kAllOnes = 0xffffff00, kAbout2GiB = 0x7fffe000, k2GiB = 0x80000000;

struct Bytes {
  std::array<uint8_t, 40> data = {};
  bool big = false;
  uint32_t U16(size_t at) const {
    return big ? data[at] << 8 | data[at + 1] : data[at + 1] << 8 | data[at];
  }
  uint32_t U32(size_t at) const {
    return big ? U16(at) << 16 | U16(at + 2) : U16(at + 2) << 16 | U16(at);
  }
  uint64_t U64(size_t at) const {
    return big ? uint64_t{U32(at)} << 32 | U32(at + 4) : uint64_t{U32(at + 4)} << 32 | U32(at);
  }
  std::string_view Id() const { return {reinterpret_cast<const char*>(data.data()), 4}; }
};

// What the last 14 bytes of an extensible format's id must be for its first two to be a plain one.
constexpr std::array<uint8_t, 14> kPlainGuidTail = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                                    0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71};

PcmCoding CodingOf(uint32_t tag, uint32_t bits, const std::string& name) {
  if (tag == kPcm && bits == 8) return PcmCoding::kUnsigned8;
  if (tag == kPcm && bits == 16) return PcmCoding::kSigned16;
  if (tag == kPcm && bits == 24) return PcmCoding::kSigned24;
  if (tag == kPcm && bits == 32) return PcmCoding::kSigned32;
  if (tag == kFloat && bits == 32) return PcmCoding::kFloat32;
  if (tag == kFloat && bits == 64) return PcmCoding::kFloat64;
  if (tag == kALaw && bits == 8) return PcmCoding::kALaw;
  if (tag == kMuLaw && bits == 8) return PcmCoding::kMuLaw;
  char found[64];
  std::snprintf(found, sizeof found, "format 0x%04x with %u bits", tag, bits);
  ThrowMedia(name,
             std::string("unsupported WAV coding: expected PCM of 8, 16, 24 or 32 bits, float "
                         "of 32 or 64 bits, mu-law or A-law, found ") +
                 found);
}

// Reads `size` bytes that say how samples are stored.
WavHeader ReadFormat(ByteSource& source, bool big, uint64_t size, const std::string& name) {
  Bytes bytes{.big = big};
  const size_t used = std::min<uint64_t>(size, bytes.data.size());
  if (size < 16 || source.ReadFully(bytes.data.data(), used) < used)
    ThrowMedia(name, "the WAV header is damaged: its format chunk is too short");
  source.Skip(size - used);
  uint32_t tag = bytes.U16(0);
  if (tag == kExtensible && size >= 40) {
    const uint8_t* guid = bytes.data.data() + 24;
    // In a big-endian file the numbers inside are swapped, the last eight bytes are not.
    const size_t fixed_from = big ? 6 : 0;
    if (std::memcmp(guid + 2 + fixed_from, kPlainGuidTail.data() + fixed_from, 14 - fixed_from) !=
        0)
      ThrowMedia(name, "unsupported WAV coding: an extensible format of an unknown kind");
    tag = big ? bytes.U32(24) : bytes.U16(24);
  }
  const uint32_t channels = bytes.U16(2), bits = bytes.U16(14);
  const PcmCoding coding = CodingOf(tag, bits, name);
  // Programs differ in what they take these for.
  if (bits == 24 && bytes.U16(12) == 4 * channels)
    ThrowMedia(name, "unsupported WAV coding: 24 bits in 4 bytes");
  return {coding, big, channels, bytes.U32(4), {}};
}

// `size` as the header has it; `long_size` of an RF64 file, 0 if there is none. `known`: the
// header's first size is that of the file, so that whoever wrote it knew what they had.
std::optional<uint64_t> BytesOfData(uint64_t size, uint64_t long_size, bool known,
                                    const ByteSource& source) {
  if (size == 0 && known) return 0;
  if (size == 0xffffffff && long_size != 0 && long_size != ~uint64_t{0}) {
    size = long_size;
  } else if (size == 0 || (size >= kAbout2GiB && size <= k2GiB) || size >= kAllOnes) {
    return source.left();
  }
  return std::min(size, source.left().value_or(size));
}

void CheckId(std::string_view id, const std::string& name) {
  for (const char c : id)
    if (c < ' ' || c > '~') ThrowMedia(name, "the WAV header is damaged: a chunk without a name");
}

}  // namespace

WavHeader ReadWavHeader(ByteSource& source, const std::string& name) {
  Bytes head;
  source.ReadFully(head.data.data(), 12);
  head.big = head.Id() == "RIFX";
  const bool known = source.left() == uint64_t{head.U32(4)} - 4;
  const bool long_sizes = head.Id() == "RF64";
  std::optional<WavHeader> header;
  uint64_t long_size = 0;
  for (int chunks = 0; source.ReadFully(head.data.data(), 8) == 8; ++chunks) {
    if (chunks == kMostChunks) {
      ThrowMedia(name, "the WAV header has more than " + std::to_string(kMostChunks) + " chunks");
    }
    CheckId(head.Id(), name);
    uint64_t size = head.U32(4);
    const uint64_t padding = size & 1;
    if (head.Id() == "data") {
      if (!header) ThrowMedia(name, "the WAV header is damaged: samples before their format");
      header->data_bytes = BytesOfData(size, long_size, known, source);
      return *header;
    }
    if (head.Id() == "fmt ") {
      if (header) ThrowMedia(name, "the WAV header has two format chunks");
      header = ReadFormat(source, head.big, size, name);
      size = 0;
    } else if (head.Id() == "ds64" && long_sizes && size >= 16) {
      Bytes sizes;
      if (source.ReadFully(sizes.data.data(), 16) == 16) long_size = sizes.U64(8);
      size -= 16;
    }
    source.Skip(size + padding);
  }
  ThrowMedia(name, header ? "the WAV file has no samples: no data chunk"
                          : "the WAV header is damaged: no format chunk");
}

}  // namespace gemma3n
