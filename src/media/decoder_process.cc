// SPDX-License-Identifier: Apache-2.0
#include "media/decoder_process.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "media/decoder_protocol.h"
#include "media/exif.h"
#include "media/media_error.h"
#include "media/mono_converter.h"

namespace gemma3n {
namespace {

constexpr const char* kProgramName = "gemma3n-media";
// A microphone hands over sound all the time, if only silence, and a camera pictures.
constexpr double kSilentDevice_s = 10;

// With ten times as much on the clock, for disks of 50 MB/s and more.
constexpr double kCpuSecondsPerByte = 2e-9;

std::atomic<int64_t> forbidden_calls = 0;

// 0: no file.
uint64_t FileBytes(const Descriptor& file) {
  struct stat status;
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return static_cast<uint64_t>(status.st_size);
}

// Whose headers hold the length; other containers leave it to guesses, by which nothing is refused.
bool SaysItsLength(const std::string& format) {
  return format == "MP4 or QuickTime" || format == "M4A" || format == "Matroska or WebM";
}

}  // namespace

// Turns records into frames and samples.
class FilmDecoder::Answer {
 public:
  Answer(const std::string& name, const DecoderJob& job, const MediaLimits& limits,
         uint64_t file_bytes)
      : name_(name),
        job_(job),
        limits_(limits),
        walk_cpu_s_(static_cast<double>(file_bytes) * kCpuSecondsPerByte),
        // The soundtrack may be as long as the film that is looked at.
        sound_(name, limits, LookedAt(job, limits) + (job.frames ? kSpareSeconds : 0)) {}

  // Reads one record; false after the last.
  bool Take(ChildProcess& child, std::vector<float>& sound);
  // The processor time that the program may have used by now.
  double CpuSeconds(const ChildProcess& child);
  int64_t passed_over() const { return passed_over_; }
  const FilmBody& film() const { return film_; }
  std::vector<VideoFrame>& frames() { return frames_; }

 private:
  [[noreturn]] void ThrowGarbage() const {
    ThrowMedia(name_, "cannot read the file: its decoder gave a wrong answer");
  }
  void ReadBody(ChildProcess& child, void* to, size_t bytes) const {
    if (child.Read(to, bytes)) return;
    const int status = child.Wait();
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ++forbidden_calls;
    ThrowMedia(name_, DeathText(status, job_));
  }
  void TakeFilm(ChildProcess& child);
  void CheckSpan() const;
  void TakeFrame(ChildProcess& child, uint32_t bytes);
  void TakeSound(ChildProcess& child, uint32_t bytes, std::vector<float>& sound);

  const std::string name_;
  const DecoderJob job_;
  const MediaLimits limits_;
  const double walk_cpu_s_;  // for going through all of the file, however long the film is
  MonoConverter sound_;
  std::vector<float> piece_;
  bool have_film_ = false;
  FilmBody film_ = {};
  std::vector<VideoFrame> frames_;
  double last_s_ = -1;  // of the last frame
  bool new_picture_ = false;
  double used_before_s_ = 0;  // processor time, to the last picture
  int64_t passed_over_ = 0;
};

bool FilmDecoder::Answer::Take(ChildProcess& child, std::vector<float>& sound) {
  RecordHead head;
  ReadBody(child, &head, sizeof head);
  if (head.kind == RecordKind::kFailure && head.bytes == sizeof(FailureBody)) {
    FailureBody failure;
    ReadBody(child, &failure, sizeof failure);
    const bool ours = failure.reason == DecoderFailure::kNoDevices;
    throw Error(ours ? ErrorKind::kResources : ErrorKind::kMedia,
                name_ + ": " + FailureText(failure, limits_));
  }
  if (head.kind == RecordKind::kFilm && head.bytes == sizeof(FilmBody) && !have_film_) {
    TakeFilm(child);
    return true;
  }
  if (!have_film_) ThrowGarbage();
  if (head.kind == RecordKind::kFrame && job_.frames) {
    TakeFrame(child, head.bytes);
  } else if (head.kind == RecordKind::kSound && job_.sound) {
    TakeSound(child, head.bytes, sound);
  } else if (head.kind == RecordKind::kDone && head.bytes == 0) {
    if (job_.frames && last_s_ < 0) ThrowGarbage();
    sound_.Finish(sound);
    return false;
  } else {
    ThrowGarbage();
  }
  return true;
}

void FilmDecoder::Answer::TakeFilm(ChildProcess& child) {
  ReadBody(child, &film_, sizeof film_);
  constexpr double kMost = 1e9;
  if (!(film_.duration_s >= 0 && film_.duration_s < kMost)) ThrowGarbage();
  if (!(std::abs(film_.sound_start_s) < kMost)) ThrowGarbage();
  have_film_ = true;
  if (job_.live) return;
  if (job_.frames || job_.measured) CheckSpan();
  if (!job_.frames && (job_.measured || SaysItsLength(job_.format)))
    sound_.Check(kModelSampleRateHz, 1, film_.duration_s);
}

// It may wait for us as long as it likes: where sound is read as a stream, only what was handed
// over counts, and of live pictures what it used since the last one.
double FilmDecoder::Answer::CpuSeconds(const ChildProcess& child) {
  if (job_.live) {
    if (std::exchange(new_picture_, false)) used_before_s_ = child.CpuSeconds();
    return used_before_s_ + limits_.decoder_cpu_seconds;
  }
  const double seconds =
      job_.frames ? std::min(film_.duration_s, limits_.video_seconds) : sound_.pushed_s();
  return CpuSecondsFor(seconds, job_, limits_) + walk_cpu_s_;
}

void FilmDecoder::Answer::CheckSpan() const {
  const auto [from_s, to_s] = std::pair(job_.video.from_s, job_.video.to_s);
  // Players show whole seconds: a span may end with the one in which the film ends.
  const bool ends_within = std::isinf(to_s) || to_s <= std::ceil(film_.duration_s);
  if (ends_within && (from_s == 0 || from_s < film_.duration_s)) return;
  ThrowMedia(name_, "span of the film: expected one within the " + SpanText(0, film_.duration_s) +
                        " that are looked at, found " + SpanText(from_s, to_s));
}

void FilmDecoder::Answer::TakeFrame(ChildProcess& child, uint32_t bytes) {
  FrameHead head;
  if (bytes < sizeof head) ThrowGarbage();
  ReadBody(child, &head, sizeof head);
  const uint64_t pixels = uint64_t{head.width} * head.height;
  const bool size_holds = head.width > 0 && head.height > 0 &&
                          pixels <= static_cast<uint64_t>(limits_.video_frame_pixels) &&
                          pixels * 3 == bytes - sizeof head;
  const bool time_holds = std::isfinite(head.time_s) && head.time_s > last_s_;
  if (!size_holds || !time_holds) ThrowGarbage();
  last_s_ = head.time_s;
  passed_over_ += head.passed_over;
  new_picture_ = true;
  if (frames_.size() >= static_cast<size_t>(job_.video.max_frames) ||
      frames_.size() >= static_cast<size_t>(limits_.video_frames)) {
    ThrowGarbage();
  }
  VideoFrame frame{head.time_s, {static_cast<int>(head.width), static_cast<int>(head.height), {}}};
  frame.image.rgb.resize(pixels * 3);
  ReadBody(child, frame.image.rgb.data(), frame.image.rgb.size());
  frame.image = ApplyOrientation(std::move(frame.image), head.orientation);
  frames_.push_back(std::move(frame));
}

void FilmDecoder::Answer::TakeSound(ChildProcess& child, uint32_t bytes,
                                    std::vector<float>& sound) {
  SoundHead head;
  if (bytes < sizeof head || bytes > kMaxSoundRecordBytes) ThrowGarbage();
  ReadBody(child, &head, sizeof head);
  sound_.Check(head.rate_hz, head.channels, 0);
  const size_t frame_bytes = head.channels * sizeof(float);
  if ((bytes - sizeof head) % frame_bytes != 0) ThrowGarbage();
  piece_.resize((bytes - sizeof head) / sizeof(float));
  ReadBody(child, piece_.data(), bytes - sizeof head);
  sound_.Push(piece_, static_cast<int>(head.channels), static_cast<int>(head.rate_hz), sound);
}

int64_t ForbiddenDecoderCalls() {
  return forbidden_calls;
}

std::filesystem::path FindDecoderProgram(const MediaOptions& options) {
  if (!options.decoder_program.empty()) return options.decoder_program;
  if (const char* from_environment = std::getenv("GEMMA3N_MEDIA");
      from_environment != nullptr && *from_environment != 0) {
    return from_environment;
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const auto here = self.parent_path();
  for (const auto& place :
       {here / kProgramName, here.parent_path() / "libexec" / "gemma3n" / kProgramName}) {
    if (access(place.c_str(), X_OK) == 0) return place;
  }
  return {};
}

std::string DecoderProgram(const std::string& name, const std::string& what,
                           const MediaOptions& options) {
  std::filesystem::path program = FindDecoderProgram(options);
  if (!program.empty()) return program.string();
  throw Error(ErrorKind::kResources,
              name + ": " + what +
                  " needs the program gemma3n-media, which is not here; "
                  "install it beside gemma3n or set GEMMA3N_MEDIA to its path");
}

FilmDecoder::FilmDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
                         const MediaOptions& options)
    : answer_(std::make_unique<Answer>(name, job, options.limits, FileBytes(file))) {
  if (DemuxerName(job.format) == nullptr) ThrowMedia(name, "unsupported format: " + job.format);
  child_ = std::make_unique<ChildProcess>(
      JobWords(DecoderProgram(name, job.format, options), job, options), file, JobEnvironment(job));
  child_->set_goes_on(options.goes_on);
  if (!job.device.empty()) {
    // A screen gives its first picture after a few, of which none comes sooner than was asked for.
    constexpr double kPicturesAtFirst = 5;
    const double slow_s = job.frames ? kPicturesAtFirst / job.video.fps : 0;
    child_->set_read_limit_s(kSilentDevice_s + slow_s);
  }
  // How long pictures are waited for in a pipe is for those to say who write into it.
  if (job.live) child_->set_clock_factor(std::numeric_limits<double>::infinity());
}

FilmDecoder::~FilmDecoder() = default;

bool FilmDecoder::Take(std::vector<float>& sound) {
  child_->set_cpu_limit_s(answer_->CpuSeconds(*child_));
  return answer_->Take(*child_, sound);
}

double FilmDecoder::duration_s() const {
  return answer_->film().duration_s;
}

int64_t FilmDecoder::passed_over() const {
  return answer_->passed_over();
}

double FilmDecoder::sound_start_s() const {
  return answer_->film().sound_start_s;
}

std::vector<VideoFrame>& FilmDecoder::frames() {
  return answer_->frames();
}

VideoClip RunDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
                     const MediaOptions& options) {
  FilmDecoder decoder(file, name, job, options);
  VideoClip clip;
  while (decoder.Take(clip.audio.samples)) {
  }
  clip.duration_s = decoder.duration_s();
  clip.frames = std::move(decoder.frames());
  return clip;
}

}  // namespace gemma3n
