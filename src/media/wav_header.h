// SPDX-License-Identifier: Apache-2.0
// The chunks of a WAV file (RIFF, RIFX, RF64) in front of its samples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "media/byte_source.h"
#include "media/pcm.h"

namespace gemma3n {

struct WavHeader {
  PcmCoding coding = PcmCoding::kSigned16;
  bool big_endian = false;
  int64_t channels = 0;
  int64_t rate_hz = 0;
  // Of the samples. None: as many as there are. So says a recorder that writes to a pipe and cannot
  // know: by 0 (unless the whole
  // file's size is right), by all ones, or by about 2 GiB (sox, arecord).
  std::optional<uint64_t> data_bytes;
};

// Reads up to the first sample. Takes integer PCM of 8 to 32 bits, float of 32 and 64 bits, mu-law
// and A-law, plain or extensible. A size that goes past the end of the source is cut to it. Throws
// Error(kMedia): no `fmt ` before `data`, no `data`, another coding, chunks without end.
WavHeader ReadWavHeader(ByteSource& source, const std::string& name);

}  // namespace gemma3n
