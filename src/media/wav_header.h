// SPDX-License-Identifier: Apache-2.0
// The chunks of a WAV file, looked at before a library does, so that what we refuse is named.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gemma3n {

struct WavHeader {
  int64_t channels = 0;
  int64_t rate_hz = 0;
};

// Takes integer PCM of 8 to 32 bits, float of 32 and 64 bits, mu-law and A-law, plain or
// extensible. Throws Error(kMedia): no `fmt ` before `data`, no `data`, another coding, 0 channels.
WavHeader CheckWavHeader(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace gemma3n
