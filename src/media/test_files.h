// SPDX-License-Identifier: Apache-2.0
// Small pictures and sounds for tests, valid or broken on purpose, made in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n::test_files {

using Bytes = std::vector<uint8_t>;

Bytes FromText(std::string_view text);
Bytes Join(const std::vector<Bytes>& parts);
Bytes BigEndian(uint64_t value, int bytes);
Bytes LittleEndian(uint64_t value, int bytes);

// A smooth picture with some edges; the same for the same size.
Image Picture(int width, int height);

// PNG. `samples` holds the rows without their filter bytes, `row_bytes` each.
struct PngParts {
  uint32_t width = 1, height = 1;
  int depth = 8, color_type = 2, interlace = 0;
  std::vector<Bytes> before_data = {};  // whole chunks
  Bytes rows = {};                      // with filter bytes
  std::vector<Bytes> after_data = {};
};
Bytes PngChunk(std::string_view type, const Bytes& body);
Bytes Png(const PngParts& parts);
// Rows of `row_bytes` bytes, each behind the filter byte 0.
Bytes PngRows(const Bytes& samples, size_t row_bytes);
Bytes Deflate(const Bytes& bytes);

// JPEG by libjpeg; `channels` 1, 3 or 4 (4: as stored, Adobe-inverted CMYK or YCCK).
struct JpegOptions {
  int channels = 3;
  bool progressive = false, arithmetic = false, ycck = false;
  int restart_rows = 0;
  Bytes exif = {};  // put into APP1 behind "Exif\0\0"
};
Bytes Jpeg(const Image& image, const JpegOptions& options = {});

Bytes WebpLossless(const Image& image);

// GIF by hand: codes are written without compression.
struct GifFrame {
  int width = 2, height = 2, left = 0, top = 0;
  int transparent = -1;
  Bytes indices = {};  // below 4
};
Bytes Gif(int screen_width, int screen_height, const std::vector<GifFrame>& frames);

// One EXIF block that holds the orientation alone.
Bytes Exif(uint16_t orientation);

// WAV: one chunk, padded to even length; a whole file around chunks.
Bytes WavChunk(std::string_view id, const Bytes& body);
Bytes WavFile(const std::vector<Bytes>& chunks, std::string_view riff = "RIFF");
Bytes WavFormat(uint16_t tag, uint16_t channels, uint32_t rate_hz, uint16_t bits);
// 16-bit PCM.
Bytes Wav16(const std::vector<int16_t>& samples, int rate_hz, int channels = 1);

// What of Error(kMedia) reading throws, its message; "" when it throws nothing, and the test fails
// for any other exception.
std::string MessageOf(const std::function<void()>& read);

}  // namespace gemma3n::test_files
