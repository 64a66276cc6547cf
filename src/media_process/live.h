// SPDX-License-Identifier: Apache-2.0
// Pictures without end: decoded one after the other, and some of them made into pixels.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/pictures.h"
#include "media_process/records.h"

namespace gemma3n {

// Times that go on, out of time stamps that may go back or leap where a sender starts anew.
class LiveClock {
 public:
  // Seconds since the first picture, always more than at the last call. NaN: none is known.
  double Next(double stamp_s);

 private:
  bool any_ = false;
  double origin_s_ = 0, last_s_ = 0;
};

// Hands over what is to be seen at each 1 / fps of a clock, and no more: a picture that comes too
// early waits, and is passed over when another one comes.
class LiveWriter {
 public:
  // `early`: of the time from picture to picture, by how much one may come too early.
  LiveWriter(double fps, double early, PictureWriter& writer)
      : interval_s_(1 / fps), early_s_(early / fps), writer_(writer) {}

  // A picture, taken from `frame`: its time, and what the clock says. The time goes with the
  // picture, the clock never goes back.
  void Offer(AVFrame& frame, double time_s, double clock_s);

  // When the picture that waits is due by the clock, if one waits.
  std::optional<double> due_s() const;
  // Hands it over, at `clock_s`.
  void Flush(double clock_s);

 private:
  void Write(const AVFrame& frame, double time_s, double clock_s);

  double interval_s_, early_s_;
  PictureWriter& writer_;
  FramePtr waiting_;  // no data: none waits
  double waiting_time_s_ = 0;
  bool any_ = false;
  double due_s_ = 0;
  uint32_t passed_over_ = 0;  // since the last one handed over
};

// Where the packets of live pictures come from.
struct LivePackets {
  const AVStream& stream;
  std::function<bool(AVPacket&)> read;  // false at the end
  bool has_times;                       // else the clock's
};

// Writes kFilm, then pictures as they come. To the end: then kDone; throws DecoderError.
class LiveShow {
 public:
  LiveShow(const Job& job, RecordWriter& out) : job_(job), out_(out) {}

  // The film in a file, by its time stamps, or in a pipe, as it comes.
  void ShowFile(int fd, int64_t size);
  void ShowPipe(int fd);
  void Show(const LivePackets& packets);

 private:
  double Clock(double time_s) const;
  void WaitForInput(int fd);

  const Job& job_;
  RecordWriter& out_;
  bool by_stamps_ = false;
  LiveWriter* writer_ = nullptr;  // while shown
};

}  // namespace gemma3n
