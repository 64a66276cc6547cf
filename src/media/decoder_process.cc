// SPDX-License-Identifier: Apache-2.0
#include "media/decoder_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "media/decoder_protocol.h"
#include "media/exif.h"
#include "media/media_error.h"
#include "media/mono_converter.h"

namespace gemma3n {
namespace {

constexpr const char* kProgramName = "gemma3n-media";
constexpr double kCpuSecondsPerMinute = 30;
// How much sound there may be beyond the limit, so that passing it is noticed; after the end of a
// film, that its soundtrack goes on.
constexpr double kSpareSeconds = 60;
constexpr double kSilentDevice_s =
    10;  // a microphone hands over sound all the time, if only silence

// The demuxer that the program is to use: it never guesses by itself.
const char* DemuxerName(const std::string& format) {
  if (format == "MP4 or QuickTime" || format == "M4A") return "mov";
  if (format == "Matroska or WebM") return "matroska";
  if (format == "AVI") return "avi";
  if (format == "MPEG-TS") return "mpegts";
  if (format == "Ogg") return "ogg";
  if (format == "MP3") return "mp3";
  if (format == "AAC (ADTS)") return "aac";
  if (format == "ALSA") return "alsa";
  if (format == "PulseAudio") return "pulse";
  return nullptr;
}

// In seconds; what comes later is left out of a film, and an error in a sound.
double LookedAt(const DecoderJob& job, const MediaLimits& limits) {
  return job.frames ? limits.video_seconds : job.sound_seconds;
}

std::vector<std::string> JobWords(const std::string& program, const DecoderJob& job,
                                  const char* demuxer, const MediaOptions& options) {
  const MediaLimits& limits = options.limits;
  const double seconds = LookedAt(job, limits) + (job.frames ? 0 : kSpareSeconds);
  std::vector<std::string> words = {
      program,
      "--format",
      demuxer,
      "--frames",
      job.frames ? "1" : "0",
      "--sound",
      job.sound ? "1" : "0",
      "--measured",
      job.frames || job.measured ? "1" : "0",
      "--fps",
      std::to_string(job.video.fps),
      "--max-frames",
      std::to_string(std::min(job.video.max_frames, limits.video_frames)),
      "--seconds",
      std::to_string(seconds),
      "--from",
      std::to_string(std::min(job.video.from_s, seconds)),
      "--to",
      std::to_string(std::min(job.video.to_s, seconds)),
      "--streams",
      std::to_string(limits.video_streams),
      "--frame-pixels",
      std::to_string(limits.video_frame_pixels),
      "--decode-pixels",
      std::to_string(limits.image_pixels),
      "--channels",
      std::to_string(limits.sound_channels),
      "--memory-bytes",
      std::to_string(limits.decoder_memory_bytes),
      "--cpu-seconds",
      std::to_string(
          static_cast<int64_t>(limits.decoder_cpu_seconds + seconds / 60 * kCpuSecondsPerMinute)),
  };
  if (!job.device.empty()) words.insert(words.end(), {"--device", job.device});
  if (options.allow_unsandboxed_decoder) words.push_back("--allow-unsandboxed-decoder");
  return words;
}

// What the libraries of sound devices look for their settings and servers by; decoding sees
// nothing.
std::vector<std::string> JobEnvironment(const DecoderJob& job) {
  std::vector<std::string> environment;
  if (job.device.empty()) return environment;
  for (const char* name :
       {"HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "ALSA_CONFIG_PATH", "ALSA_CONFIG_DIR",
        "ALSA_PLUGIN_DIR", "ALSA_CARD", "ALSA_PCM_CARD", "ALSA_PCM_DEVICE", "PULSE_SERVER",
        "PULSE_SOURCE", "PULSE_COOKIE", "PULSE_RUNTIME_PATH", "PULSE_CONFIG_PATH",
        "PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_REMOTE"}) {
    if (const char* value = std::getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  }
  return environment;
}

std::string FailureText(const FailureBody& failure, const MediaLimits& limits) {
  std::string detail;  // only plain letters leave this function
  for (char c : failure.detail) {
    if (c == 0) break;
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
    detail += plain ? c : '?';
  }
  switch (failure.reason) {
    case DecoderFailure::kNoSandbox:
      return "this kernel offers no sandbox for the film decoder; for files you trust, "
             "--allow-unsandboxed-decoder turns it on without";
    case DecoderFailure::kContainer:
      return "cannot read the file: its container is damaged or cut short";
    case DecoderFailure::kTooManyStreams:
      return "the file has too many streams, the limit is " + std::to_string(limits.video_streams);
    case DecoderFailure::kNoVideo:
      return "the file has no video track";
    case DecoderFailure::kNoSound:
      return "the file has no sound";
    case DecoderFailure::kCodec:
      return "unsupported codec: expected H.264, HEVC, VP8, VP9, AV1, MPEG-4, MPEG-2 or Motion "
             "JPEG; AAC, MP3, Opus, Vorbis, FLAC or PCM; found " +
             detail;
    case DecoderFailure::kNothingDecoded:
      return "cannot read the file: nothing in it could be decoded";
    case DecoderFailure::kOutOfMemory:
      return "decoding the file needs more memory than allowed";
    case DecoderFailure::kTooLarge:
      return "a frame of the film has more pixels than the limit of " +
             std::to_string(limits.image_pixels);
    case DecoderFailure::kNoMicrophones:
      return "microphones need the library " + detail + ", which is not here";
    case DecoderFailure::kMicrophone:
      return "cannot be opened: there is no such device, or it is busy or not allowed; "
             "`arecord -L` and `pactl list short sources` name those there are";
    case DecoderFailure::kMicrophoneLost:
      return "gives no sound any more: the device is gone";
    case DecoderFailure::kBadJob:
      break;
  }
  return "cannot read the file: the decoder refused its job";
}

std::atomic<int64_t> forbidden_calls = 0;

// Whose headers hold the length; other containers leave it to guesses, by which nothing is refused.
bool SaysItsLength(const std::string& format) {
  return format == "MP4 or QuickTime" || format == "M4A" || format == "Matroska or WebM";
}

// What became of a program that ended without kDone.
std::string DeathText(int status, const DecoderJob& job) {
  const bool device = !job.device.empty();
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
    ++forbidden_calls;
    return device ? "its reader tried something forbidden and was stopped"
                  : "cannot read the file: its decoder tried something forbidden and was stopped";
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    return device ? "gives no sound"
                  : "cannot read the file: decoding took too long and was stopped";
  }
  return device ? "gives no sound any more: its reader ended"
                : "cannot read the file: its decoder ended without an answer";
}

}  // namespace

// Turns records into frames and samples.
class FilmDecoder::Answer {
 public:
  Answer(const std::string& name, const DecoderJob& job, const MediaLimits& limits)
      : name_(name),
        job_(job),
        limits_(limits),
        // The soundtrack may be as long as the film that is looked at.
        sound_(name, limits, LookedAt(job, limits) + (job.frames ? kSpareSeconds : 0)) {}

  // Reads one record; false after the last.
  bool Take(ChildProcess& child, std::vector<float>& sound);
  double CpuSeconds() const;
  const FilmBody& film() const { return film_; }
  std::vector<VideoFrame>& frames() { return frames_; }

 private:
  [[noreturn]] void ThrowGarbage() const {
    ThrowMedia(name_, "cannot read the file: its decoder gave a wrong answer");
  }
  void ReadBody(ChildProcess& child, void* to, size_t bytes) const {
    if (!child.Read(to, bytes)) ThrowMedia(name_, DeathText(child.Wait(), job_));
  }
  void TakeFilm(ChildProcess& child);
  void CheckSpan() const;
  void TakeFrame(ChildProcess& child, uint32_t bytes);
  void TakeSound(ChildProcess& child, uint32_t bytes, std::vector<float>& sound);

  const std::string name_;
  const DecoderJob job_;
  const MediaLimits limits_;
  MonoConverter sound_;
  std::vector<float> piece_;
  bool have_film_ = false;
  FilmBody film_ = {};
  std::vector<VideoFrame> frames_;
};

bool FilmDecoder::Answer::Take(ChildProcess& child, std::vector<float>& sound) {
  RecordHead head;
  ReadBody(child, &head, sizeof head);
  if (head.kind == RecordKind::kFailure && head.bytes == sizeof(FailureBody)) {
    FailureBody failure;
    ReadBody(child, &failure, sizeof failure);
    ThrowMedia(name_, FailureText(failure, limits_));
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
    if (job_.frames && frames_.empty()) ThrowGarbage();
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
  if (job_.frames || job_.measured) CheckSpan();
  if (!job_.frames && (job_.measured || SaysItsLength(job_.format)))
    sound_.Check(kModelSampleRateHz, 1, film_.duration_s);
}

// What the program may have used by now. It may wait for us as long as it likes: where sound is
// read as a stream, only what was handed over counts.
double FilmDecoder::Answer::CpuSeconds() const {
  const double seconds =
      job_.frames ? std::min(film_.duration_s, limits_.video_seconds) : sound_.pushed_s();
  return limits_.decoder_cpu_seconds + seconds / 60 * kCpuSecondsPerMinute;
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
  const double last_s = frames_.empty() ? -1 : frames_.back().time_s;
  const bool time_holds = std::isfinite(head.time_s) && head.time_s > last_s;
  if (!size_holds || !time_holds) ThrowGarbage();
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

std::string SpanText(double from_s, double to_s) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g to %.9g s", from_s, to_s);
  return text;
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

FilmDecoder::FilmDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
                         const MediaOptions& options)
    : answer_(std::make_unique<Answer>(name, job, options.limits)) {
  const char* demuxer = DemuxerName(job.format);
  if (demuxer == nullptr) ThrowMedia(name, "unsupported format: " + job.format);
  const std::filesystem::path program = FindDecoderProgram(options);
  if (program.empty()) {
    throw Error(ErrorKind::kResources,
                name + ": " + job.format +
                    " needs the program gemma3n-media, which is not here; "
                    "install it beside gemma3n or set GEMMA3N_MEDIA to its path");
  }
  child_ = std::make_unique<ChildProcess>(JobWords(program.string(), job, demuxer, options), file,
                                          JobEnvironment(job));
  if (!job.device.empty()) child_->set_read_limit_s(kSilentDevice_s);
}

FilmDecoder::~FilmDecoder() = default;

bool FilmDecoder::Take(std::vector<float>& sound) {
  child_->set_cpu_limit_s(answer_->CpuSeconds());
  return answer_->Take(*child_, sound);
}

double FilmDecoder::duration_s() const {
  return answer_->film().duration_s;
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
