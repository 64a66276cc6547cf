// SPDX-License-Identifier: Apache-2.0
// WebP bytes -> RGB pixels of the first frame on its canvas, through libwebp. Outside of that frame
// the canvas is black, alpha is dropped: what Pillow shows.
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "media/exif.h"
#include "media/image_decoders.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, FreeDemuxer>;

// Decodes one frame into `target`, whose rows are `stride` bytes apart.
bool DecodeFrame(const WebPData& data, int width, int height, uint8_t* target, size_t stride) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return false;
  if (WebPGetFeatures(data.bytes, data.size, &config.input) != VP8_STATUS_OK) return false;
  if (config.input.width != width || config.input.height != height) return false;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = target;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  // The last row ends with the frame, not with the canvas.
  config.output.u.RGBA.size = stride * static_cast<size_t>(height - 1) + size_t{3} * width;
  const VP8StatusCode status = WebPDecode(data.bytes, data.size, &config);
  WebPFreeDecBuffer(&config.output);
  return status == VP8_STATUS_OK;
}

std::optional<uint32_t> ChunkOrientation(
    WebPDemuxer* demuxer, const char* chunk,
    std::optional<uint32_t> (*read)(std::span<const uint8_t>)) {
  WebPChunkIterator found;
  if (WebPDemuxGetChunk(demuxer, chunk, 1, &found) == 0) return std::nullopt;
  const auto orientation = read({found.chunk.bytes, found.chunk.size});
  WebPDemuxReleaseChunkIterator(&found);
  return orientation;
}

}  // namespace

DecodedImage DecodeWebp(const ImageSource& source) {
  const WebPData data{source.bytes.data(), source.bytes.size()};
  const Demuxer demuxer(WebPDemux(&data));
  if (!demuxer) ThrowMedia(source.name, "the WebP data is damaged or cut short");
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  // The decoder's own planes: at most four bytes a pixel (lossless).
  CheckImageSize(source, width, height, 0);
  CheckImageSize(source, width, height, static_cast<uint64_t>(width * height) * 4);

  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0)
    ThrowMedia(source.name, "the WebP file holds no picture");
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(
      &frame, &WebPDemuxReleaseIterator);
  const bool inside = frame.width > 0 && frame.height > 0 && frame.x_offset >= 0 &&
                      frame.y_offset >= 0 && int64_t{frame.x_offset} + frame.width <= width &&
                      int64_t{frame.y_offset} + frame.height <= height;
  if (!inside) ThrowMedia(source.name, "the first WebP frame lies outside of the picture");

  DecodedImage out{NewImage(width, height), std::nullopt};
  const size_t stride = static_cast<size_t>(width) * 3;
  uint8_t* target = out.image.rgb.data() + static_cast<size_t>(frame.y_offset) * stride +
                    static_cast<size_t>(frame.x_offset) * 3;
  if (!DecodeFrame(frame.fragment, frame.width, frame.height, target, stride))
    ThrowMedia(source.name, "the WebP data is damaged or cut short");
  out.orientation = ChunkOrientation(demuxer.get(), "EXIF", &ExifOrientation);
  if (!out.orientation) out.orientation = ChunkOrientation(demuxer.get(), "XMP ", &XmpOrientation);
  return out;
}

}  // namespace gemma3n
