// SPDX-License-Identifier: Apache-2.0
// PNG bytes -> RGB pixels, through libpng with none of its colour transformations: samples come as
// stored and are widened here the way Pillow widens them (docs/media.md has the table). Text,
// profile and gamma chunks are skipped without inflating them.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "media/exif.h"
#include "media/image_decoders.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

struct PngHeader {
  png_uint_32 width = 0, height = 0;
  int depth = 0, color_type = 0;
  bool interlaced = false;
  uint8_t palette[256][3] = {};  // black past the end, as in Pillow

  bool palette_colors() const { return color_type == PNG_COLOR_TYPE_PALETTE; }
  bool rgb() const { return color_type == PNG_COLOR_TYPE_RGB || color_type == PNG_COLOR_TYPE_RGBA; }
  bool alpha() const { return (color_type & PNG_COLOR_MASK_ALPHA) != 0; }
  // Samples under 8 bits have been spread to a byte each.
  size_t sample_bytes() const { return depth == 16 ? 2 : 1; }
  size_t pixel_bytes() const { return sample_bytes() * ((rgb() ? 3 : 1) + (alpha() ? 1 : 0)); }
  size_t row_bytes() const { return pixel_bytes() * width; }
};

// libpng reports errors by longjmp: nothing below a setjmp may own memory in a local variable, so
// all of it lives in this class, outside of the two functions that jump.
class PngReader {
 public:
  explicit PngReader(std::span<const uint8_t> bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &OnError, &OnWarning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool ReadHeader();
  // `rows` holds one row, or all of them when the file is interlaced; `take` sees each full row.
  bool ReadRows(uint8_t* rows, void (*take)(void* to, png_uint_32 y, const uint8_t* row), void* to);

  const PngHeader& header() const { return header_; }
  const char* trouble() const { return cut_ ? "the file is cut short" : "the PNG data is damaged"; }

 private:
  static void OnError(png_structp png, png_const_charp) { png_longjmp(png, 1); }
  static void OnWarning(png_structp, png_const_charp) {}
  static void OnRead(png_structp png, png_bytep to, size_t count) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self->bytes_.size() - self->position_) {
      self->cut_ = true;
      png_error(png, "cut");
    }
    std::memcpy(to, self->bytes_.data() + self->position_, count);
    self->position_ += count;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool cut_ = false;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  PngHeader header_;
};

bool PngReader::ReadHeader() {
  if (png_ == nullptr || info_ == nullptr) return false;
  if (setjmp(png_jmpbuf(png_)) != 0) return false;
  png_set_read_fn(png_, this, &OnRead);
  // CheckImageSize limits the sides, with a better message; nothing is allocated before it.
  png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
  png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png_, info_);
  int interlace = 0;
  png_get_IHDR(png_, info_, &header_.width, &header_.height, &header_.depth, &header_.color_type,
               &interlace, nullptr, nullptr);
  header_.interlaced = interlace != PNG_INTERLACE_NONE;
  png_colorp palette = nullptr;
  int colors = 0;
  if (header_.palette_colors() && png_get_PLTE(png_, info_, &palette, &colors) != 0) {
    for (int i = 0; i < std::min(colors, 256); ++i) {
      header_.palette[i][0] = palette[i].red;
      header_.palette[i][1] = palette[i].green;
      header_.palette[i][2] = palette[i].blue;
    }
  }
  return true;
}

bool PngReader::ReadRows(uint8_t* rows, void (*take)(void*, png_uint_32, const uint8_t*),
                         void* to) {
  if (setjmp(png_jmpbuf(png_)) != 0) return false;
  const size_t row_bytes = header_.row_bytes();
  png_set_packing(png_);  // 1, 2, 4 bits -> a byte each, unscaled
  if (header_.interlaced) png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  if (png_get_rowbytes(png_, info_) != row_bytes) return false;
  if (!header_.interlaced) {
    for (png_uint_32 y = 0; y < header_.height; ++y) {
      png_read_row(png_, rows, nullptr);
      take(to, y, rows);
    }
    return true;
  }
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
    for (png_uint_32 y = 0; y < header_.height; ++y)
      png_read_row(png_, rows + y * row_bytes, nullptr);
  }
  for (png_uint_32 y = 0; y < header_.height; ++y) take(to, y, rows + y * row_bytes);
  return true;
}

// One row of samples as stored -> RGB.
void WidenRow(const PngHeader& header, const uint8_t* row, uint8_t* rgb) {
  const size_t step = header.pixel_bytes();
  // Pillow keeps 16-bit grey without alpha as 16 bits and then clips at 255; every other 16-bit
  // kind keeps the high byte.
  const bool clip = header.depth == 16 && header.color_type == PNG_COLOR_TYPE_GRAY;
  const int scale = header.depth < 8 ? 255 / ((1 << header.depth) - 1) : 1;
  for (png_uint_32 x = 0; x < header.width; ++x, row += step, rgb += 3) {
    if (header.palette_colors()) {
      std::memcpy(rgb, header.palette[row[0]], 3);
    } else if (header.rgb()) {
      for (size_t c = 0; c < 3; ++c) rgb[c] = row[c * header.sample_bytes()];
    } else {
      const uint8_t grey = clip && row[0] != 0 ? 255 : clip ? row[1] : row[0] * scale;
      rgb[0] = rgb[1] = rgb[2] = grey;
    }
  }
}

// Looks for EXIF and XMP among all chunks, before and after the pixels, as Pillow does. A chunk
// that is not whole ends the search.
std::optional<uint32_t> PngOrientation(std::span<const uint8_t> bytes) {
  std::optional<uint32_t> from_xmp;
  uint64_t at = 8;
  while (at + 12 <= bytes.size()) {
    const uint64_t length =
        uint64_t{bytes[at]} << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    const std::string_view type(reinterpret_cast<const char*>(&bytes[at + 4]), 4);
    if (length > bytes.size() - at - 12 || type == "IEND") break;
    const std::span<const uint8_t> body = bytes.subspan(at + 8, length);
    if (type == "eXIf") {
      if (auto orientation = ExifOrientation(body)) return orientation;
    } else if (type == "iTXt" && body.size() > 20 &&
               std::memcmp(body.data(), "XML:com.adobe.xmp\0\0", 19) == 0) {
      from_xmp = XmpOrientation(body);  // the 0 after the keyword's end says: not compressed
    }
    at += length + 12;
  }
  return from_xmp;
}

}  // namespace

DecodedImage DecodePng(const ImageSource& source) {
  PngReader reader(source.bytes);
  if (!reader.ReadHeader()) ThrowMedia(source.name, reader.trouble());
  const PngHeader& header = reader.header();
  CheckImageSize(source, header.width, header.height, 0);  // the product below now fits
  const uint64_t row_store = uint64_t{header.row_bytes()} * (header.interlaced ? header.height : 1);
  CheckImageSize(source, header.width, header.height, row_store);

  struct Target {
    const PngHeader& header;
    DecodedImage out;
  } target{header, {NewImage(header.width, header.height), PngOrientation(source.bytes)}};
  std::vector<uint8_t> rows(row_store);
  const auto take = [](void* to, png_uint_32 y, const uint8_t* row) {
    auto& t = *static_cast<Target*>(to);
    WidenRow(t.header, row, t.out.image.rgb.data() + size_t{y} * t.header.width * 3);
  };
  if (!reader.ReadRows(rows.data(), take, &target)) ThrowMedia(source.name, reader.trouble());
  return std::move(target.out);
}

}  // namespace gemma3n
