// SPDX-License-Identifier: Apache-2.0
// PictureStream: a thread takes what gemma3n-media makes, and keeps the newest picture that is due.
#include "gemma3n/picture_stream.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "media/decoder_process.h"
#include "media/fetch_process.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kMostWait_s = 3600;  // at once, so that a clock's numbers hold it

Clock::duration Wait(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(
      Seconds(std::isfinite(seconds) ? std::clamp(seconds, 0.0, kMostWait_s) : kMostWait_s));
}

struct LiveInput {
  Descriptor descriptor;
  std::string name;
  DecoderJob job;
  double speed = 0;                     // 0: each picture is due when it comes
  std::unique_ptr<ChildProcess> fetch;  // writes into the descriptor, or null
};

class LiveStream : public PictureStream {
 public:
  LiveStream(LiveInput input, const MediaOptions& options);
  ~LiveStream() override;

  std::optional<VideoFrame> Newest(double timeout_s) override;
  bool ended() const override;
  int64_t overtaken() const override;

 private:
  void Run();
  bool WaitUntilDue(double time_s);
  bool IsStopping() const;

  const std::string name_;
  const double speed_;
  std::unique_ptr<ChildProcess> fetch_;
  FilmDecoder decoder_;                     // the thread's, but for its end
  std::optional<Clock::time_point> start_;  // when a picture at 0 s was due
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::optional<VideoFrame> newest_;
  int64_t overtaken_ = 0, passed_over_ = 0;
  bool over_ = false;
  std::optional<Error> failure_;
  std::thread thread_;
};

LiveStream::LiveStream(LiveInput input, const MediaOptions& options)
    : name_(input.name),
      speed_(input.speed),
      fetch_(std::move(input.fetch)),
      decoder_(input.descriptor, input.name, input.job, options) {
  std::vector<float> none;
  // What is wrong with a file or a device shows here. A pipe may be silent for long.
  if (input.job.format != kPipeFormat) decoder_.Take(none);
  thread_ = std::thread([this] { Run(); });
}

LiveStream::~LiveStream() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  decoder_.Stop();
  thread_.join();
}

// False when the stream is dropped meanwhile.
bool LiveStream::WaitUntilDue(double time_s) {
  std::unique_lock lock(mutex_);
  if (speed_ > 0) {
    if (!start_) start_ = Clock::now() - Wait(time_s / speed_);
    for (double left_s = 1; left_s > 0 && !stopping_;) {
      left_s = time_s / speed_ - Seconds(Clock::now() - *start_).count();
      changed_.wait_for(lock, Wait(left_s), [this] { return stopping_; });
    }
  }
  return !stopping_;
}

bool LiveStream::IsStopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

void LiveStream::Run() {
  std::optional<Error> failure;
  try {
    std::vector<float> none;
    for (bool more = true; more;) {
      more = decoder_.Take(none);
      for (VideoFrame& frame : decoder_.frames()) {
        if (!WaitUntilDue(frame.time_s)) return;
        const std::scoped_lock lock(mutex_);
        overtaken_ += newest_ ? 1 : 0;
        passed_over_ = decoder_.passed_over();
        newest_ = std::move(frame);
        changed_.notify_all();
      }
      decoder_.frames().clear();
    }
  } catch (const Error& error) {
    failure = error;
  } catch (const std::bad_alloc&) {
    failure.emplace(ErrorKind::kResources, name_ + ": not enough memory");
  }
  if (IsStopping()) return;
  if (fetch_) failure = FetchFailure(name_, *fetch_, std::move(failure));
  const std::scoped_lock lock(mutex_);
  failure_ = std::move(failure);
  over_ = !failure_;
  changed_.notify_all();
}

std::optional<VideoFrame> LiveStream::Newest(double timeout_s) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, Wait(timeout_s), [this] { return newest_ || over_ || failure_; });
  if (!newest_ && failure_) throw Error(*failure_);
  return std::exchange(newest_, std::nullopt);
}

bool LiveStream::ended() const {
  const std::scoped_lock lock(mutex_);
  return over_ && !newest_;
}

int64_t LiveStream::overtaken() const {
  const std::scoped_lock lock(mutex_);
  return overtaken_ + passed_over_;
}

std::unique_ptr<PictureStream> Start(LiveInput input, const MediaOptions& options) {
  const double fps = options.limits.live_fps;
  if (!(fps > 0 && fps <= 1000))
    ThrowMedia(input.name, "pictures a second: expected more than 0 and at most 1000");
  // By the clock of a file, a second is `speed` of its seconds long.
  input.job.video.fps = std::clamp(fps / (input.speed > 0 ? input.speed : 1), 1e-3, 1000.0);
  input.job.live = true;
  input.job.sound = false;
  return std::make_unique<LiveStream>(std::move(input), options);
}

std::unique_ptr<PictureStream> PlayFile(InputFile file, const std::string& name, double speed,
                                        const MediaOptions& options) {
  if (!(speed > 0 && speed <= 1000))
    ThrowMedia(name, "speed: expected more than 0 and at most 1000");
  DecoderJob job = FilmJob(DetectMediaKind(ReadStart(file, name, kFilmSniffBytes)), name, {});
  return Start({std::move(file.descriptor), name, std::move(job), speed, nullptr}, options);
}

LiveInput Device(const std::string& kind, const std::string& format, const std::string& device) {
  DecoderJob job{.format = format, .device = device};
  return {Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)), kind + " " + device, std::move(job),
          0, nullptr};
}

}  // namespace

std::unique_ptr<PictureStream> PictureStream::Play(const std::filesystem::path& path, double speed,
                                                   const MediaOptions& options) {
  return PlayFile(OpenInputFile(path, options.limits.video_file_bytes), path.string(), speed,
                  options);
}

std::unique_ptr<PictureStream> PictureStream::OpenDescriptor(int fd, const std::string& name,
                                                             const MediaOptions& options) {
  Descriptor copy = CopyDescriptor(fd, name);
  if (IsFileAtStart(fd, name, "a film")) {
    return PlayFile(CheckInputFile(std::move(copy), name, options.limits.video_file_bytes), name, 1,
                    options);
  }
  return Start({std::move(copy), name, {.format = kPipeFormat}, 0, nullptr}, options);
}

std::unique_ptr<PictureStream> PictureStream::OpenCamera(const std::string& device,
                                                         const CameraOptions& camera,
                                                         const MediaOptions& options) {
  constexpr int kMostSide = 1 << 15;
  if (device.empty()) ThrowMedia("camera", "expected a device, such as /dev/video0; found no name");
  LiveInput input = Device("camera", "Video4Linux", device);
  const bool holds = camera.width > 0 && camera.width <= kMostSide && camera.height > 0 &&
                     camera.height <= kMostSide && camera.fps >= 1e-3 && camera.fps <= 1000;
  if (!holds) ThrowMedia(input.name, "expected a size of 1 to 32768 and a rate of up to 1000");
  input.job.camera = camera;
  return Start(std::move(input), options);
}

std::unique_ptr<PictureStream> PictureStream::OpenScreen(const std::string& display,
                                                         const MediaOptions& options) {
  const char* usual = std::getenv("DISPLAY");
  const std::string device = display.empty() && usual != nullptr ? usual : display;
  if (device.empty()) ThrowMedia("screen", "expected a display, such as :0; found no name of one");
  return Start(Device("screen", "X11", device), options);
}

std::unique_ptr<PictureStream> PictureStream::OpenUrl(const std::string& url,
                                                      const MediaOptions& options) {
  auto fetch = StartFetch(url, options);
  Descriptor bytes = fetch->TakeAnswer();
  return Start({std::move(bytes), url, {.format = kPipeFormat}, 0, std::move(fetch)}, options);
}

}  // namespace gemma3n
