// SPDX-License-Identifier: Apache-2.0
// Any bytes as WAV or FLAC. Other kinds of sound are not decoded in this process.
#include <cstddef>
#include <cstdint>

#include "gemma3n/error.h"
#include "media/sound_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gemma3n::MediaLimits limits;
  limits.sound_seconds = 10;
  try {
    gemma3n::DecodeSoundFile({data, size}, "fuzz", limits);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
