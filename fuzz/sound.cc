// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/error.h"
#include "gemma3n/media.h"

// WAV and FLAC, which are read in this process; for all else no decoder is found.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gemma3n::MediaOptions options;
  options.limits.sound_seconds = 5;
  options.decoder_program = "/nonexistent";
  try {
    gemma3n::ParseAudio({data, size}, "fuzz", options);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
