// SPDX-License-Identifier: Apache-2.0
#include "media_process/pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

extern "C" {
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
}

namespace gemma3n {
namespace {

constexpr int kFlags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;

const int32_t* DisplayMatrix(const AVStream& stream) {
#if LIBAVFORMAT_VERSION_MAJOR >= 61  // FFmpeg 7
  const AVPacketSideData* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data,
                              AV_PKT_DATA_DISPLAYMATRIX);
  const uint8_t* bytes = data == nullptr ? nullptr : data->data;
  const size_t size = data == nullptr ? 0 : data->size;
#else
  size_t size = 0;
  const uint8_t* bytes = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
  return size < 9 * sizeof(int32_t) ? nullptr : reinterpret_cast<const int32_t*>(bytes);
}

// The matrix sends a stored pixel (x, y) to (a x + c y, b x + d y). Quarter turns and mirrors have
// a number in EXIF; anything between counts as not turned.
uint32_t Orientation(const int32_t* matrix) {
  if (matrix == nullptr) return 1;
  const int64_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  if (b == 0 && c == 0 && a != 0 && d != 0) return a > 0 ? (d > 0 ? 1 : 4) : (d > 0 ? 2 : 3);
  if (a == 0 && d == 0 && b != 0 && c != 0) return c > 0 ? (b > 0 ? 5 : 8) : (b > 0 ? 6 : 7);
  return 1;
}

// The old "J" formats are wide range by name.
bool FullRange(const AVFrame& frame) {
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
      return true;
    default:
      return frame.color_range == AVCOL_RANGE_JPEG;
  }
}

// Null when it cannot be converted. `scaler` is used again.
FramePtr ToRgb(const AVFrame& frame, int width, int height, int flags, SwsContext*& scaler) {
  scaler = sws_getCachedContext(scaler, frame.width, frame.height,
                                static_cast<AVPixelFormat>(frame.format), width, height,
                                AV_PIX_FMT_RGB24, flags, nullptr, nullptr, nullptr);
  OrNoMemory(scaler);
  const int* matrix = sws_getCoefficients(frame.colorspace == AVCOL_SPC_UNSPECIFIED
                                              ? SWS_CS_DEFAULT
                                              : static_cast<int>(frame.colorspace));
  constexpr int kUnity = 1 << 16;
  sws_setColorspaceDetails(scaler, matrix, FullRange(frame) ? 1 : 0,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, kUnity, kUnity);
  // A buffer with FFmpeg's own alignment: its fast paths write whole vectors.
  FramePtr rgb = NewFrame();
  rgb->format = AV_PIX_FMT_RGB24;
  rgb->width = width;
  rgb->height = height;
  if (av_frame_get_buffer(rgb.get(), 0) < 0) throw std::bad_alloc();
  const int rows =
      sws_scale(scaler, frame.data, frame.linesize, 0, frame.height, rgb->data, rgb->linesize);
  return rows == height ? std::move(rgb) : nullptr;
}

}  // namespace

PictureGrid GridMaker::GridOf(const AVFrame& frame) {
  PictureGrid grid = {};
  const FramePtr rgb = ToRgb(frame, PictureGrid::kWidth, PictureGrid::kHeight, SWS_AREA, scaler_);
  if (!rgb) return grid;
  float* cell = grid.cells.data();
  for (int y = 0; y < PictureGrid::kHeight; ++y) {
    const uint8_t* row = rgb->data[0] + int64_t{y} * rgb->linesize[0];
    for (int x = 0; x < PictureGrid::kWidth * PictureGrid::kChannels; ++x)
      *cell++ = static_cast<float>(row[x]) / 255;
  }
  return grid;
}

PictureWriter::PictureWriter(const AVStream& stream, const Job& job, RecordWriter& out)
    : job_(job), out_(out), orientation_(Orientation(DisplayMatrix(stream))) {}

void PictureWriter::Write(const AVFrame& frame, double time_s, uint32_t passed_over) {
  int width = frame.width, height = frame.height;
  const int64_t pixels = int64_t{width} * height;
  if (pixels > job_.frame_pixels) {
    const double shrink =
        std::sqrt(static_cast<double>(job_.frame_pixels) / static_cast<double>(pixels));
    // At 1 the other side could still be too long.
    width = static_cast<int>(
        std::clamp<int64_t>(static_cast<int64_t>(width * shrink), 1, job_.frame_pixels));
    height = static_cast<int>(
        std::clamp<int64_t>(static_cast<int64_t>(height * shrink), 1, job_.frame_pixels / width));
  }
  const FramePtr rgb = ToRgb(frame, width, height, kFlags, scaler_);
  if (!rgb) return;  // a frame that cannot be converted is a frame that was not decoded
  out_.Frame({time_s, static_cast<uint32_t>(width), static_cast<uint32_t>(height), orientation_,
              passed_over});
  for (int y = 0; y < height; ++y)
    out_.Bytes(rgb->data[0] + int64_t{y} * rgb->linesize[0], static_cast<size_t>(width) * 3);
}

}  // namespace gemma3n
