// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/error.h"
#include "gemma3n/media.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gemma3n::MediaOptions options;
  options.limits.image_pixels = 1 << 20;
  options.limits.image_memory_bytes = 64 << 20;
  try {
    gemma3n::ParseImage({data, size}, "fuzz", options);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
