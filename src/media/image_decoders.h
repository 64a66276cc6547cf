// SPDX-License-Identifier: Apache-2.0
// One decoder per picture format, each behind the same small door. Who decides which: image_file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "gemma3n/media.h"

namespace gemma3n {

struct ImageSource {
  std::span<const uint8_t> bytes;
  const std::string& name;
  const MediaLimits& limits;
};

struct DecodedImage {
  Image image;                          // as stored, not yet turned
  std::optional<uint32_t> orientation;  // of EXIF or XMP
};

// Each throws Error(kMedia). A cut file is an error, never a picture with a made-up rest.
DecodedImage DecodePng(const ImageSource& source);
DecodedImage DecodeJpeg(const ImageSource& source);
DecodedImage DecodeWebp(const ImageSource& source);
DecodedImage DecodeGif(const ImageSource& source);

// Refuses a size from a file's header that is 0 or over a limit, and a decode that would hold
// `decoder_bytes` beside the picture beyond the memory limit. Throws Error(kMedia).
void CheckImageSize(const ImageSource& source, int64_t width, int64_t height,
                    uint64_t decoder_bytes);

// A black picture of a size that CheckImageSize has let through.
Image NewImage(int64_t width, int64_t height);

}  // namespace gemma3n
