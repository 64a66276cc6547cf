// SPDX-License-Identifier: Apache-2.0
// GIF bytes -> RGB pixels of the first frame on its screen, through giflib read record by record
// (its "slurp" would unpack every frame). Around a smaller frame the screen has the transparent
// colour, else colour 0, as in Pillow; a transparent pixel shows its colour of the palette.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "media/gif_lzw.h"
#include "media/image_decoders.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

struct GifBytes {
  std::span<const uint8_t> bytes;
  size_t position = 0;
};

int ReadBytes(GifFileType* gif, GifByteType* to, int count) {
  auto& source = *static_cast<GifBytes*>(gif->UserData);
  const size_t left = source.bytes.size() - source.position;
  const size_t take = std::min(left, static_cast<size_t>(std::max(count, 0)));
  if (take > 0) std::memcpy(to, source.bytes.data() + source.position, take);
  source.position += take;
  return static_cast<int>(take);
}

struct CloseGif {
  void operator()(GifFileType* gif) const {
    int ignored = 0;
    DGifCloseFile(gif, &ignored);
  }
};
using Gif = std::unique_ptr<GifFileType, CloseGif>;

[[noreturn]] void ThrowDamaged(const ImageSource& source) {
  ThrowMedia(source.name, "the GIF data is damaged or cut short");
}

// Reads one extension; returns the transparent colour if it names one.
std::optional<uint8_t> ReadExtension(const ImageSource& source, GifFileType* gif) {
  constexpr int kTransparentFlag = 1;
  int function = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif, &function, &block) == GIF_ERROR) ThrowDamaged(source);
  std::optional<uint8_t> transparent;
  // A block: its length, then as many bytes.
  if (function == GRAPHICS_EXT_FUNC_CODE && block != nullptr && block[0] >= 4 &&
      (block[1] & kTransparentFlag) != 0) {
    transparent = block[4];
  }
  while (block != nullptr) {
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) ThrowDamaged(source);
  }
  return transparent;
}

// Reads up to the first image descriptor.
std::optional<uint8_t> FindFrame(const ImageSource& source, GifFileType* gif) {
  std::optional<uint8_t> transparent;
  for (;;) {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &record) == GIF_ERROR) ThrowDamaged(source);
    if (record == EXTENSION_RECORD_TYPE) {
      if (const auto found = ReadExtension(source, gif)) transparent = found;
    } else if (record == IMAGE_DESC_RECORD_TYPE) {
      if (DGifGetImageDesc(gif) == GIF_ERROR) ThrowDamaged(source);
      return transparent;
    } else {
      ThrowMedia(source.name, "the GIF file holds no picture");
    }
  }
}

// Colours beyond the palette are black. A file without a palette is grey, and so, for Pillow, is
// one whose palette is the grey ramp.
std::array<std::array<uint8_t, 3>, 256> Palette(const GifFileType& gif) {
  const ColorMapObject* map = gif.Image.ColorMap != nullptr ? gif.Image.ColorMap : gif.SColorMap;
  const int count = map == nullptr ? 0 : std::min(map->ColorCount, 256);
  bool grey = true;
  std::array<std::array<uint8_t, 3>, 256> palette = {};
  for (int i = 0; i < count; ++i) {
    const GifColorType& color = map->Colors[i];
    palette[i] = {color.Red, color.Green, color.Blue};
    if (color.Red != i || color.Green != i || color.Blue != i) grey = false;
  }
  if (!grey) return palette;
  for (int i = 0; i < 256; ++i) palette[i].fill(static_cast<uint8_t>(i));
  return palette;
}

// Rows of an interlaced frame come in four sweeps.
std::vector<int> RowOrder(int height, bool interlaced) {
  std::vector<int> order;
  order.reserve(static_cast<size_t>(height));
  if (!interlaced) {
    for (int y = 0; y < height; ++y) order.push_back(y);
    return order;
  }
  constexpr std::array<std::array<int, 2>, 4> kSweeps = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  for (const auto& [start, step] : kSweeps)
    for (int y = start; y < height; y += step) order.push_back(y);
  return order;
}

// Calls put(index) for exactly `count` pixels in the order of the file.
template <class Put>
void ReadIndices(const ImageSource& source, GifFileType* gif, int64_t count, Put put) {
  int code_size = 0;
  GifByteType* block = nullptr;  // its length, then as many bytes
  if (DGifGetCode(gif, &code_size, &block) == GIF_ERROR) ThrowDamaged(source);
  if (code_size < 1 || code_size > 8) ThrowDamaged(source);
  GifLzw lzw(code_size);
  int64_t have = 0;
  for (;;) {
    if (block == nullptr) ThrowDamaged(source);
    for (int i = 1; i <= block[0]; ++i) {
      const bool fine = lzw.Take(block[i], [&](uint8_t index) {
        if (have < count) put(index);
        ++have;
      });
      if (have >= count) return;
      if (!fine) ThrowDamaged(source);
    }
    if (DGifGetCodeNext(gif, &block) == GIF_ERROR) ThrowDamaged(source);
  }
}

}  // namespace

DecodedImage DecodeGif(const ImageSource& source) {
  GifBytes bytes{source.bytes};
  int error = 0;
  const Gif gif(DGifOpen(&bytes, &ReadBytes, &error));
  if (!gif) ThrowDamaged(source);
  const std::optional<uint8_t> transparent = FindFrame(source, gif.get());
  const GifImageDesc& frame = gif->Image;
  const int64_t width = std::max<int64_t>(gif->SWidth, int64_t{frame.Left} + frame.Width);
  const int64_t height = std::max<int64_t>(gif->SHeight, int64_t{frame.Top} + frame.Height);
  if (frame.Width <= 0 || frame.Height <= 0) ThrowMedia(source.name, "the picture has no pixels");
  CheckImageSize(source, width, height, 0);

  const auto palette = Palette(*gif);
  DecodedImage out{NewImage(width, height), std::nullopt};
  const std::array<uint8_t, 3>& around = palette[transparent.value_or(0)];
  uint8_t* rgb = out.image.rgb.data();
  for (int64_t i = 0; i < width * height; ++i) std::memcpy(rgb + 3 * i, around.data(), 3);

  const auto rows = RowOrder(frame.Height, frame.Interlace);
  size_t row = 0;
  int x = 0;
  ReadIndices(source, gif.get(), int64_t{frame.Width} * frame.Height, [&](uint8_t index) {
    const int64_t y = int64_t{frame.Top} + rows[row];
    std::memcpy(rgb + (y * width + frame.Left + x) * 3, palette[index].data(), 3);
    if (++x == frame.Width) x = 0, ++row;
  });
  return out;
}

}  // namespace gemma3n
