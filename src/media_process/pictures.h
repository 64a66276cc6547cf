// SPDX-License-Identifier: Apache-2.0
// Decoded video frames -> RGB records. Colours: the matrix and range that the frame states, BT.601
// and narrow range where it does not; 8 bits; no tone mapping, no deinterlacing, pixels taken as
// square. swscale runs with its exact, bit-reproducible settings.
#pragma once

#include "media/picture_grid.h"
#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/records.h"

namespace gemma3n {

class PictureWriter {
 public:
  PictureWriter(const AVStream& stream, const Job& job, RecordWriter& out);
  ~PictureWriter() { sws_freeContext(scaler_); }
  PictureWriter(const PictureWriter&) = delete;
  PictureWriter& operator=(const PictureWriter&) = delete;

  // Writes a kFrame record; a frame of more than job.frame_pixels is scaled down to them.
  void Write(const AVFrame& frame, double time_s, uint32_t passed_over = 0);

 private:
  const Job& job_;
  RecordWriter& out_;
  uint32_t orientation_;
  SwsContext* scaler_ = nullptr;
};

// Decoded video frames -> the cells by which pictures are compared.
class GridMaker {
 public:
  GridMaker() = default;
  ~GridMaker() { sws_freeContext(scaler_); }
  GridMaker(const GridMaker&) = delete;
  GridMaker& operator=(const GridMaker&) = delete;

  // Black for a frame that cannot be converted.
  PictureGrid GridOf(const AVFrame& frame);

 private:
  SwsContext* scaler_ = nullptr;
};

}  // namespace gemma3n
