// SPDX-License-Identifier: Apache-2.0
#include "media_process/live.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "media_process/film.h"
#include "media_process/packets.h"

namespace gemma3n {
namespace {

constexpr double kLeap = 3600;  // more than this at once is a sender that starts anew
constexpr double kStep = 0.04;  // from picture to picture where nothing says
constexpr double kRounding = 1e-6;
// Where the clock counts: devices do not keep time to the hair, and one that gives just as many
// pictures as are wanted should lose none.
constexpr double kEarly = 0.25;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double LiveClock::Next(double stamp_s) {
  if (!std::isfinite(stamp_s)) stamp_s = any_ ? origin_s_ + last_s_ + kStep : 0;
  if (!any_) origin_s_ = stamp_s;
  double time_s = stamp_s - origin_s_;
  if (any_ && !(time_s > last_s_ && time_s <= last_s_ + kLeap)) {
    time_s = last_s_ + kStep;
    origin_s_ = stamp_s - time_s;
  }
  any_ = true;
  return last_s_ = time_s;
}

void LiveWriter::Write(const AVFrame& frame, double time_s, double clock_s) {
  writer_.Write(frame, time_s, std::exchange(passed_over_, 0));
  // By a timetable, so that small delays do not add up, but one that was missed is not made up for.
  due_s_ = any_ ? std::max(due_s_ + interval_s_, clock_s + interval_s_ - early_s_)
                : clock_s + interval_s_;
  any_ = true;
}

void LiveWriter::Offer(AVFrame& frame, double time_s, double clock_s) {
  const auto due = due_s();
  // It was to be seen for as long as pictures are.
  if (due && clock_s - *due >= interval_s_ - kRounding) Flush(*due);
  if (due_s()) {
    ++passed_over_;
    av_frame_unref(waiting_.get());
  }
  if (!any_ || clock_s >= due_s_ - early_s_ - kRounding) return Write(frame, time_s, clock_s);
  if (!waiting_) waiting_ = NewFrame();
  av_frame_move_ref(waiting_.get(), &frame);
  waiting_time_s_ = time_s;
}

std::optional<double> LiveWriter::due_s() const {
  const bool waits = waiting_ && waiting_->buf[0] != nullptr;
  return waits ? std::optional(due_s_) : std::nullopt;
}

void LiveWriter::Flush(double clock_s) {
  if (!due_s()) return;
  Write(*waiting_, waiting_time_s_, clock_s);
  av_frame_unref(waiting_.get());
}

double LiveShow::Clock(double time_s) const {
  return by_stamps_ ? time_s : Now();
}

// A picture that waits is shown when it is due, though no other one comes.
void LiveShow::WaitForInput(int fd) {
  const auto due_s = writer_ == nullptr ? std::nullopt : writer_->due_s();
  if (!due_s) return;
  pollfd wait = {fd, POLLIN, 0};
  const double wait_ms = std::clamp(std::ceil((*due_s - Now()) * 1000), 0.0, 1e6);
  if (poll(&wait, 1, static_cast<int>(wait_ms)) == 0) writer_->Flush(Now());
}

void LiveShow::ShowFile(int fd, int64_t size) {
  by_stamps_ = true;
  Film film(fd, size, job_);
  Show({*film.video(), [&](AVPacket& packet) { return film.Read(packet); }, true});
}

void LiveShow::ShowPipe(int fd) {
  Film film(fd, job_, [=, this] { WaitForInput(fd); });
  Show({*film.video(), [&](AVPacket& packet) { return film.Read(packet); }, film.HasTimes()});
}

void LiveShow::Show(const LivePackets& packets) {
  const CodecContextPtr codec = OpenDecoder(packets.stream, job_);
  PictureWriter pixels(packets.stream, job_, out_);
  LiveWriter writer(job_.fps, by_stamps_ ? 0 : kEarly, pixels);
  writer_ = &writer;
  out_.Film({0, 0});
  LiveClock clock;
  bool any = false;
  const auto take = [&](AVFrame& frame) {
    const bool damaged =
        (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame.decode_error_flags != 0;
    if (damaged || frame.width <= 0 || frame.height <= 0) return;
    const double stamp_s = packets.has_times
                               ? SecondsOf(frame.best_effort_timestamp, packets.stream.time_base)
                               : Now();
    const double time_s = clock.Next(stamp_s);
    writer.Offer(frame, time_s, Clock(time_s));
    any = true;
  };
  const PacketPtr packet = NewPacket();
  const FramePtr frame = NewFrame();
  while (packets.read(*packet))
    if (packet->stream_index == packets.stream.index) Decode(*codec, packet.get(), *frame, take);
  Decode(*codec, nullptr, *frame, take);
  writer.Flush(Now());
  writer_ = nullptr;
  if (!any) throw DecoderError{DecoderFailure::kNothingDecoded, ""};
  out_.Done();
}

}  // namespace gemma3n
