// SPDX-License-Identifier: Apache-2.0
// The one thing we read of a picture's metadata: how the camera was held.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "gemma3n/media.h"

namespace gemma3n {

// An EXIF block (a TIFF header, with or without "Exif\0\0" before it) -> the value of tag 0x0112
// of its first directory, 0 if it is no whole number; nullopt when there is none. Follows no other
// offset.
std::optional<uint32_t> ExifOrientation(std::span<const uint8_t> exif);

// An XMP packet -> the digit after `tiff:Orientation=` or in its element. Pillow reads it where
// EXIF says nothing.
std::optional<uint32_t> XmpOrientation(std::span<const uint8_t> xmp);

// Turns and mirrors so that row 0 is the top: values 2 to 8 of the tag; others change nothing.
Image ApplyOrientation(Image image, uint32_t orientation);

}  // namespace gemma3n
