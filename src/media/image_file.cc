// SPDX-License-Identifier: Apache-2.0
// Picture bytes -> Image: what format, within which limits, which way up. The pixels are those of
// Pillow's open -> exif_transpose -> convert("RGB"), which the reference pipeline uses: alpha is
// dropped, not composed; colour profiles and gamma are ignored.
#include <utility>

#include "gemma3n/media.h"
#include "media/exif.h"
#include "media/image_decoders.h"
#include "media/input_file.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr const char* kReadable = "PNG, JPEG, WebP or GIF";

DecodedImage Decode(const ImageSource& source, const MediaType& type) {
  if (type.format == "PNG") return DecodePng(source);
  if (type.format == "JPEG") return DecodeJpeg(source);
  if (type.format == "WebP") return DecodeWebp(source);
  if (type.format == "GIF") return DecodeGif(source);
  const std::string expected = std::string("expected ") + kReadable + ", found ";
  if (type.format == "HEIC picture" || type.format == "AVIF picture") {
    ThrowMedia(source.name, "unsupported image format: " + expected + "a " + type.format +
                                "; convert it to PNG or JPEG first");
  }
  if (type.kind == MediaKind::kAudio || type.kind == MediaKind::kVideo) {
    const char* what = type.kind == MediaKind::kAudio ? "sound or film" : "film";
    ThrowMedia(source.name, "not an image: " + expected + type.format + " (a " + what + ")");
  }
  ThrowMedia(source.name, "unsupported image format: " + expected +
                              (type.format.empty() ? "bytes of no known format" : type.format));
}

}  // namespace

void CheckImageSize(const ImageSource& source, int64_t width, int64_t height,
                    uint64_t decoder_bytes) {
  const MediaLimits& limits = source.limits;
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width <= 0 || height <= 0) ThrowMedia(source.name, "the picture has no pixels: " + size);
  if (width > limits.image_side || height > limits.image_side) {
    ThrowMedia(source.name, "the picture has " + size + ", the limit is " +
                                std::to_string(limits.image_side) + " on each side");
  }
  // Sides fit 31 bits, so the product fits 62.
  if (width * height > limits.image_pixels) {
    ThrowMedia(source.name, "the picture has " + size + ", the limit is " +
                                std::to_string(limits.image_pixels) + " pixels in all");
  }
  const uint64_t result_bytes = static_cast<uint64_t>(width * height) * 3;
  if (decoder_bytes > limits.image_memory_bytes ||
      result_bytes > limits.image_memory_bytes - decoder_bytes) {
    ThrowMedia(source.name, "decoding " + size + " of this kind needs " +
                                std::to_string((decoder_bytes + result_bytes) >> 20) +
                                " MiB, the limit is " +
                                std::to_string(limits.image_memory_bytes >> 20) + " MiB");
  }
}

Image NewImage(int64_t width, int64_t height) {
  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

Image ParseImage(std::span<const uint8_t> bytes, const std::string& name,
                 const MediaOptions& options) {
  if (bytes.empty()) ThrowMedia(name, "the file is empty");
  if (bytes.size() > options.limits.image_file_bytes) {
    ThrowMedia(name, "the picture file has " + std::to_string(bytes.size()) +
                         " bytes, the limit is " + std::to_string(options.limits.image_file_bytes));
  }
  DecodedImage decoded = Decode({bytes, name, options.limits}, DetectMediaKind(bytes));
  return ApplyOrientation(std::move(decoded.image), decoded.orientation.value_or(1));
}

Image LoadImage(const std::filesystem::path& path, const MediaOptions& options) {
  const InputFile file = OpenInputFile(path, options.limits.image_file_bytes);
  return ParseImage(ReadStart(file, path.string(), file.bytes), path.string(), options);
}

ImageFile::ImageFile(std::filesystem::path path, MediaOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  Load();
}

ImageFile::ImageFile(std::vector<uint8_t> bytes, std::string name, MediaOptions options)
    : path_(std::move(name)), bytes_(std::move(bytes)), options_(std::move(options)) {
  if (bytes_.empty()) ThrowMedia(path_.string(), "the file is empty");
  Load();
}

Image ImageFile::Load() const {
  return bytes_.empty() ? LoadImage(path_, options_) : ParseImage(bytes_, path_.string(), options_);
}

}  // namespace gemma3n
