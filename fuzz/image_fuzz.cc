// SPDX-License-Identifier: Apache-2.0
// Any bytes as a picture: PNG, JPEG, WebP, GIF, EXIF and XMP on the way.
#include <cstddef>
#include <cstdint>

#include "gemma3n/error.h"
#include "gemma3n/media.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gemma3n::MediaOptions options;
  options.limits.image_pixels = 1 << 20;  // large pictures are slow and find nothing more
  try {
    gemma3n::ParseImage({data, size}, "fuzz", options);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
