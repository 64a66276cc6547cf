// SPDX-License-Identifier: Apache-2.0
#include "media/test_files.h"

#include <cstddef>
#include <cstdio>
// jpeglib.h wants size_t and FILE before it.
#include <gtest/gtest.h>
#include <jpeglib.h>
#include <webp/encode.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <exception>

#include "gemma3n/error.h"

namespace gemma3n::test_files {

Bytes FromText(std::string_view text) {
  return {text.begin(), text.end()};
}

Bytes Join(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Bytes BigEndian(uint64_t value, int bytes) {
  Bytes out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
  return out;
}

Bytes LittleEndian(uint64_t value, int bytes) {
  Bytes out = BigEndian(value, bytes);
  std::reverse(out.begin(), out.end());
  return out;
}

Image Picture(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<uint8_t>(127 + 100 * std::sin(0.3 * x + 0.1 * y)));
      image.rgb.push_back(static_cast<uint8_t>(x * 7 + y * 3));
      image.rgb.push_back((x / 4 + y / 4) % 2 == 0 ? 30 : 220);
    }
  }
  return image;
}

Bytes Deflate(const Bytes& bytes) {
  uLongf size = compressBound(bytes.size());
  Bytes out(size);
  compress2(out.data(), &size, bytes.data(), bytes.size(), 9);
  out.resize(size);
  return out;
}

Bytes PngChunk(std::string_view type, const Bytes& body) {
  const Bytes named = Join({FromText(type), body});
  const uLong crc = crc32(0, named.data(), static_cast<uInt>(named.size()));
  return Join({BigEndian(body.size(), 4), named, BigEndian(crc, 4)});
}

Bytes PngRows(const Bytes& samples, size_t row_bytes) {
  Bytes rows;
  for (size_t at = 0; at < samples.size(); at += row_bytes) {
    rows.push_back(0);
    rows.insert(rows.end(), samples.begin() + static_cast<ptrdiff_t>(at),
                samples.begin() + static_cast<ptrdiff_t>(at + row_bytes));
  }
  return rows;
}

Bytes Png(const PngParts& parts) {
  const Bytes header =
      Join({BigEndian(parts.width, 4),
            BigEndian(parts.height, 4),
            {static_cast<uint8_t>(parts.depth), static_cast<uint8_t>(parts.color_type), 0, 0,
             static_cast<uint8_t>(parts.interlace)}});
  return Join({FromText("\x89PNG\r\n\x1a\n"), PngChunk("IHDR", header), Join(parts.before_data),
               PngChunk("IDAT", Deflate(parts.rows)), Join(parts.after_data),
               PngChunk("IEND", {})});
}

Bytes Jpeg(const Image& image, const JpegOptions& options) {
  jpeg_compress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* out = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &out, &size);
  jpeg.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.input_components = options.channels;
  jpeg.in_color_space = options.channels == 1   ? JCS_GRAYSCALE
                        : options.channels == 3 ? JCS_RGB
                                                : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (options.ycck) jpeg_set_colorspace(&jpeg, JCS_YCCK);
  jpeg.arith_code = options.arithmetic ? TRUE : FALSE;
  jpeg.restart_in_rows = options.restart_rows;
  if (options.progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  if (!options.exif.empty()) {
    const Bytes marker = Join({FromText(std::string_view("Exif\0\0", 6)), options.exif});
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
  }
  for (int y = 0; y < image.height; ++y) {
    std::vector<uint8_t> row;
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* pixel = image.rgb.data() + (y * image.width + x) * 3;
      for (int c = 0; c < options.channels; ++c) row.push_back(c < 3 ? pixel[c] : 200);
    }
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&jpeg, &rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  Bytes bytes(out, out + size);
  jpeg_destroy_compress(&jpeg);
  std::free(out);
  return bytes;
}

Bytes WebpLossless(const Image& image) {
  uint8_t* out = nullptr;
  const size_t size =
      WebPEncodeLosslessRGB(image.rgb.data(), image.width, image.height, image.width * 3, &out);
  Bytes bytes(out, out + size);
  WebPFree(out);
  return bytes;
}

namespace {

// Four colours: codes of 3 bits, 4 clears, 5 ends; a clear every other code keeps them at 3 bits.
Bytes GifData(const Bytes& indices) {
  std::vector<int> codes;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (i % 2 == 0) codes.push_back(4);
    codes.push_back(indices[i]);
  }
  codes.push_back(5);
  Bytes packed((codes.size() * 3 + 7) / 8);
  for (size_t i = 0; i < codes.size(); ++i) {
    for (size_t bit = 0; bit < 3; ++bit) {
      const size_t at = i * 3 + bit;
      packed[at / 8] |= static_cast<uint8_t>((codes[i] >> bit & 1) << (at % 8));
    }
  }
  Bytes blocks;
  for (size_t at = 0; at < packed.size(); at += 255) {
    const size_t count = std::min<size_t>(255, packed.size() - at);
    blocks.push_back(static_cast<uint8_t>(count));
    blocks.insert(blocks.end(), packed.begin() + static_cast<ptrdiff_t>(at),
                  packed.begin() + static_cast<ptrdiff_t>(at + count));
  }
  blocks.push_back(0);
  return blocks;
}

}  // namespace

Bytes Gif(int screen_width, int screen_height, const std::vector<GifFrame>& frames) {
  std::vector<Bytes> parts = {FromText("GIF89a"),
                              LittleEndian(static_cast<uint64_t>(screen_width), 2),
                              LittleEndian(static_cast<uint64_t>(screen_height), 2),
                              {0x81, 0, 0},  // a palette of four
                              {10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42}};
  for (const GifFrame& frame : frames) {
    if (frame.transparent >= 0)
      parts.push_back({'!', 0xf9, 4, 1, 0, 0, static_cast<uint8_t>(frame.transparent), 0});
    parts.push_back({','});
    for (const int value : {frame.left, frame.top, frame.width, frame.height})
      parts.push_back(LittleEndian(static_cast<uint64_t>(value), 2));
    parts.push_back({0, 2});
    parts.push_back(GifData(frame.indices));
  }
  parts.push_back({';'});
  return Join(parts);
}

Bytes Exif(uint16_t orientation) {
  return Join({FromText("II*"),
               {0},
               LittleEndian(8, 4),
               LittleEndian(1, 2),
               LittleEndian(0x0112, 2),
               LittleEndian(3, 2),
               LittleEndian(1, 4),
               LittleEndian(orientation, 4),
               LittleEndian(0, 4)});
}

Bytes WavChunk(std::string_view id, const Bytes& body) {
  Bytes chunk = Join({FromText(id), LittleEndian(body.size(), 4), body});
  if (body.size() % 2 != 0) chunk.push_back(0);
  return chunk;
}

Bytes WavFile(const std::vector<Bytes>& chunks, std::string_view riff) {
  const Bytes body = Join({FromText("WAVE"), Join(chunks)});
  return Join({FromText(riff), LittleEndian(body.size(), 4), body});
}

Bytes WavFormat(uint16_t tag, uint16_t channels, uint32_t rate_hz, uint16_t bits) {
  const uint32_t frame = channels * bits / 8u;
  return WavChunk("fmt ", Join({LittleEndian(tag, 2), LittleEndian(channels, 2),
                                LittleEndian(rate_hz, 4), LittleEndian(rate_hz * frame, 4),
                                LittleEndian(frame, 2), LittleEndian(bits, 2)}));
}

Bytes Wav16(const std::vector<int16_t>& samples, int rate_hz, int channels) {
  Bytes data;
  for (const int16_t sample : samples) {
    data.push_back(static_cast<uint8_t>(sample));
    data.push_back(static_cast<uint8_t>(sample >> 8));
  }
  return WavFile({WavFormat(1, static_cast<uint16_t>(channels), static_cast<uint32_t>(rate_hz), 16),
                  WavChunk("data", data)});
}

std::string MessageOf(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kMedia)) << error.what();
    return error.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << "expected Error, found " << other.what();
    return other.what();
  }
  return "";
}

}  // namespace gemma3n::test_files
