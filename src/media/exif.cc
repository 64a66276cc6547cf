// SPDX-License-Identifier: Apache-2.0
#include "media/exif.h"

#include <string_view>
#include <utility>

namespace gemma3n {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;

// Reads numbers of a TIFF block in its byte order; the caller checks the range.
class TiffBytes {
 public:
  TiffBytes(std::span<const uint8_t> bytes, bool big_endian) : bytes_(bytes), big_(big_endian) {}
  uint64_t size() const { return bytes_.size(); }
  uint32_t U16(uint64_t at) const {
    const uint32_t a = bytes_[at], b = bytes_[at + 1];
    return big_ ? a << 8 | b : b << 8 | a;
  }
  uint32_t U32(uint64_t at) const {
    const uint32_t a = U16(at), b = U16(at + 2);
    return big_ ? a << 16 | b : b << 16 | a;
  }

 private:
  std::span<const uint8_t> bytes_;
  bool big_;
};

}  // namespace

std::optional<uint32_t> ExifOrientation(std::span<const uint8_t> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int repeats = 0; repeats < 2; ++repeats) {
    const std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
    if (text.substr(0, 6) == kPrefix) exif = exif.subspan(6);
  }
  if (exif.size() < 8) return std::nullopt;
  const bool big = exif[0] == 'M' && exif[1] == 'M';
  if (!big && !(exif[0] == 'I' && exif[1] == 'I')) return std::nullopt;
  const TiffBytes tiff(exif, big);
  if (tiff.U16(2) != 42) return std::nullopt;
  const uint64_t directory = tiff.U32(4);
  if (directory + 2 > tiff.size()) return std::nullopt;
  const uint64_t count = tiff.U16(directory);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return std::nullopt;
    if (tiff.U16(entry) != kOrientationTag) continue;
    constexpr uint32_t kShort = 3, kLong = 4;
    const uint32_t type = tiff.U16(entry + 2);
    if (tiff.U32(entry + 4) != 1) return 0;  // there, but nothing we or Pillow understand
    return type == kShort ? tiff.U16(entry + 8) : type == kLong ? tiff.U32(entry + 8) : 0;
  }
  return std::nullopt;
}

std::optional<uint32_t> XmpOrientation(std::span<const uint8_t> xmp) {
  const std::string_view text(reinterpret_cast<const char*>(xmp.data()), xmp.size());
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = text.find(kName); at != text.npos; at = text.find(kName, at + 1)) {
    const std::string_view rest = text.substr(at + kName.size(), 3);
    const size_t digit = rest.starts_with("=\"") ? 2 : rest.starts_with(">") ? 1 : rest.size();
    if (digit < rest.size() && rest[digit] >= '0' && rest[digit] <= '9')
      return static_cast<uint32_t>(rest[digit] - '0');
  }
  return std::nullopt;
}

Image ApplyOrientation(Image image, uint32_t orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool swap = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned;
  turned.width = swap ? image.height : image.width;
  turned.height = swap ? image.width : image.height;
  turned.rgb.resize(image.rgb.size());
  uint8_t* out = turned.rgb.data();
  for (int64_t y = 0; y < turned.height; ++y) {
    for (int64_t x = 0; x < turned.width; ++x, out += 3) {
      int64_t from_x = swap ? y : x;
      int64_t from_y = swap ? x : y;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      const uint8_t* in = image.rgb.data() + (from_y * image.width + from_x) * 3;
      out[0] = in[0], out[1] = in[1], out[2] = in[2];
    }
  }
  return turned;
}

}  // namespace gemma3n
