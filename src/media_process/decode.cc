// SPDX-License-Identifier: Apache-2.0
#include "media_process/decode.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "media_process/film.h"
#include "media_process/frame_picker.h"
#include "media_process/group_decoder.h"
#include "media_process/packets.h"
#include "media_process/pictures.h"
#include "media_process/scenes.h"
#include "media_process/sounds.h"
#include "media_process/timeline.h"

namespace gemma3n {
namespace {

class VideoTrack {
 public:
  VideoTrack(const AVStream& stream, const Timeline& timeline, FramePicker picker, const Job& job,
             RecordWriter& out)
      : stream_(stream),
        timeline_(timeline),
        picker_(std::move(picker)),
        decoder_(stream, job, WantedGroups(timeline, picker_)),
        writer_(stream, job, out) {}

  bool done() const { return picker_.done(); }
  bool any() const { return any_; }

  void Take(const AVPacket& packet) {
    if (!done()) decoder_.Take(packet, [this](AVFrame& frame) { Offer(frame); });
  }

  void Finish() {
    decoder_.Finish([this](AVFrame& frame) { Offer(frame); });
    if (picker_.TakeLast() && previous_) Write(*previous_);
  }

 private:
  void Write(const AVFrame& frame) {
    writer_.Write(frame, previous_s_);
    any_ = true;
  }

  void Offer(AVFrame& frame) {
    if (done() || frame.width <= 0 || frame.height <= 0) return;
    const double time = PictureTime(frame, stream_, timeline_.origin_s, previous_s_);
    const FramePicker::Choice choice = picker_.Offer(time);
    if (!choice.accepted) return;
    if (choice.previous && previous_) Write(*previous_);
    if (!previous_) previous_ = NewFrame();
    av_frame_unref(previous_.get());
    av_frame_move_ref(previous_.get(), &frame);
    previous_s_ = time;
    if (choice.current) Write(*previous_);
  }

  const AVStream& stream_;
  const Timeline& timeline_;
  FramePicker picker_;
  GroupDecoder decoder_;
  PictureWriter writer_;
  FramePtr previous_;
  double previous_s_ = -1;
  bool any_ = false;
};

// By rate or by scene. For scenes the film is decoded once more, before the pictures are.
FramePicker ChooseFrames(int fd, int64_t size, const Timeline& timeline, const Job& job) {
  const double to_s = std::min(job.to_s, timeline.duration_s);
  if (job.scene_change <= 0) return FramePicker(job.from_s, to_s, job.fps, job.max_frames);
  Film film(fd, size, job);
  return FramePicker(FindScenes(film, timeline, job), job.from_s, to_s);
}

// A track that says it starts later than this after the last picture is not filled up with silence:
// a lying start would make hours of it.
constexpr double kLongestWait = 10;  // seconds
// What a decoder hears before the span, so that it is at home in the sound when that begins.
constexpr double kLeadIn = 1;  // seconds

class AudioTrack {
 public:
  // `origin_s`: when the pictures of the span begin, if there are any; `length_s`: how long they go
  // on.
  AudioTrack(const AVStream& stream, std::optional<double> origin_s, double length_s,
             const Job& job, RecordWriter& out)
      : stream_(stream),
        origin_s_(origin_s),
        job_(job),
        codec_(OpenDecoder(stream, job)),
        writer_(length_s + kLongestWait, std::min(job.to_s - job.from_s, job.seconds), job, out) {}

  bool done() const { return writer_.done(); }
  bool any() const { return writer_.started(); }

  // A null packet ends the track.
  void Take(const AVPacket* packet) {
    if (done()) return;
    if (packet != nullptr && !any() && StartOf(packet->pts, 0) < -kLeadIn) return;
    Decode(*codec_, packet, *frame_, [this](AVFrame& frame) {
      if (!done()) writer_.Write(frame, StartOf(frame.best_effort_timestamp, -job_.from_s));
    });
  }

 private:
  // Seconds since the span's beginning; `unknown` where nothing says.
  double StartOf(int64_t stamp, double unknown) const {
    const double time = SecondsOf(stamp, stream_.time_base);
    return origin_s_ && std::isfinite(time) ? time - *origin_s_ : unknown;
  }

  const AVStream& stream_;
  std::optional<double> origin_s_;
  const Job& job_;
  CodecContextPtr codec_;
  SoundWriter writer_;
  FramePtr frame_ = NewFrame();
};

}  // namespace

void DecodeFilm(int fd, int64_t size, const Job& job, RecordWriter& out) {
  Timeline timeline;
  if (job.measured) {
    Film film(fd, size, job);
    timeline = ScanTimeline(film, job);
  }
  Film film(fd, size, job);
  if (!job.measured) timeline.duration_s = film.DeclaredLength();
  // First of all, since by the length the parent knows how long the rest may take.
  out.Film({timeline.duration_s, job.frames ? 0 : film.DeclaredSoundStart()});
  std::optional<VideoTrack> video;
  std::optional<AudioTrack> audio;
  if (film.video() != nullptr)
    video.emplace(*film.video(), timeline, ChooseFrames(fd, size, timeline, job), job, out);
  if (film.audio() != nullptr) {
    const auto origin =
        video ? std::optional<double>(timeline.origin_s + job.from_s) : std::nullopt;
    audio.emplace(*film.audio(), origin, timeline.duration_s - job.from_s, job, out);
  }
  const PacketPtr packet = NewPacket();
  while (film.Read(*packet)) {
    if (video && packet->stream_index == film.video()->index) video->Take(*packet);
    if (audio && packet->stream_index == film.audio()->index) audio->Take(packet.get());
    if ((!video || video->done()) && (!audio || audio->done())) break;
  }
  if (video) video->Finish();
  if (audio) audio->Take(nullptr);
  if (video ? !video->any() : !audio->any())
    throw DecoderError{DecoderFailure::kNothingDecoded, ""};
  out.Done();
}

}  // namespace gemma3n
