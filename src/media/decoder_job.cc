// SPDX-License-Identifier: Apache-2.0
#include "media/decoder_job.h"

#include <sys/wait.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr double kCpuSecondsPerMinute = 30;
// Where frames are chosen by scene, all are decoded, and those that were chosen again.
constexpr double kSceneCpuSecondsPerMinute = 120;
constexpr double kEndless = 1e6;  // seconds

bool IsPictureDevice(const DecoderJob& job) {
  return job.format == "Video4Linux" || job.format == "X11";
}

}  // namespace

DecoderJob FilmJob(const MediaType& type, const std::string& name, const VideoOptions& video) {
  if (!(video.fps > 0 && video.fps <= 1000))
    ThrowMedia(name, "frames a second: expected more than 0 and at most 1000");
  if (video.max_frames < 1) ThrowMedia(name, "number of frames: expected at least 1");
  if (!(video.scene_change > 0 && video.scene_change <= 1))
    ThrowMedia(name, "change from scene to scene: expected more than 0 and at most 1");
  if (!(video.from_s >= 0 && video.from_s < video.to_s))
    ThrowMedia(name, "span of the film: expected an end after its start, found " +
                         SpanText(video.from_s, video.to_s));
  // Ogg holds sound nearly always; that it holds no film the decoder will find out.
  if (type.kind == MediaKind::kVideo || type.format == "Ogg")
    return {.format = type.format, .sound = video.soundtrack, .video = video};
  const std::string found = type.format.empty() ? "bytes of no known format" : type.format;
  ThrowMedia(name,
             "unsupported film format: expected MP4, QuickTime, Matroska, WebM, AVI, MPEG-TS "
             "or Ogg, found " +
                 found);
}

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
  if (format == "Video4Linux") return "v4l2";
  if (format == "X11") return "x11grab";
  if (format == kPipeFormat) return kPipeFormat;
  return nullptr;
}

double LookedAt(const DecoderJob& job, const MediaLimits& limits) {
  if (job.live) return kEndless;
  return job.frames ? limits.video_seconds : job.sound_seconds;
}

double CpuSecondsFor(double seconds, const DecoderJob& job, const MediaLimits& limits) {
  const bool scenes = job.frames && job.video.pick == FramePick::kScenes;
  return limits.decoder_cpu_seconds +
         seconds / 60 * (scenes ? kSceneCpuSecondsPerMinute : kCpuSecondsPerMinute);
}

std::vector<std::string> JobWords(const std::string& program, const DecoderJob& job,
                                  const MediaOptions& options) {
  const MediaLimits& limits = options.limits;
  const double seconds = LookedAt(job, limits) + (job.frames ? 0 : kSpareSeconds);
  std::vector<std::string> words = {
      program,
      "--format",
      DemuxerName(job.format),
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
      std::to_string(static_cast<int64_t>(CpuSecondsFor(seconds, job, limits))),
  };
  if (job.live) words.insert(words.end(), {"--live", "1"});
  if (job.frames && job.video.pick == FramePick::kScenes)
    words.insert(words.end(), {"--scene-change", std::to_string(job.video.scene_change)});
  if (job.format == "Video4Linux") {
    words.insert(words.end(), {"--width", std::to_string(job.camera.width), "--height",
                               std::to_string(job.camera.height), "--camera-fps",
                               std::to_string(job.camera.fps)});
  }
  if (!job.device.empty()) words.insert(words.end(), {"--device", job.device});
  if (options.allow_unsandboxed_decoder) words.push_back("--allow-unsandboxed-decoder");
  return words;
}

std::vector<std::string> JobEnvironment(const DecoderJob& job) {
  std::vector<std::string> environment;
  if (job.device.empty()) return environment;
  for (const char* name :
       {"HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "ALSA_CONFIG_PATH", "ALSA_CONFIG_DIR",
        "ALSA_PLUGIN_DIR", "ALSA_CARD", "ALSA_PCM_CARD", "ALSA_PCM_DEVICE", "PULSE_SERVER",
        "PULSE_SOURCE", "PULSE_COOKIE", "PULSE_RUNTIME_PATH", "PULSE_CONFIG_PATH",
        "PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_REMOTE", "XAUTHORITY"}) {
    if (const char* value = std::getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  }
  return environment;
}

namespace {

// What a camera or screen that cannot be opened is told by, and what there is in its place.
std::string CameraText(const std::string& reason) {
  std::string text = "cannot be opened: ";
  if (reason == "missing")
    text += "there is no such camera";
  else if (reason == "denied")
    text += "this user is not allowed to (the group `video` is, on most systems)";
  else if (reason == "busy")
    text += "another program uses it";
  else
    text += "it is no camera, or gives no picture that can be read";
  std::string devices;
  for (int i = 0; i < 64; ++i) {
    const std::string device = "/dev/video" + std::to_string(i);
    if (std::error_code error; std::filesystem::exists(device, error))
      devices += (devices.empty() ? "" : ", ") + device;
  }
  return text + (devices.empty() ? "; this system has no camera" : "; there are " + devices);
}

std::string DeviceFailureText(const FailureBody& failure, const std::string& detail) {
  switch (failure.reason) {
    case DecoderFailure::kNoDevices:
      return "microphones, cameras and screens need the library " + detail + ", which is not here";
    case DecoderFailure::kMicrophone:
      return "cannot be opened: there is no such device, or it is busy or not allowed; "
             "`arecord -L` and `pactl list short sources` name those there are";
    case DecoderFailure::kMicrophoneLost:
      return "gives no sound any more: the device is gone";
    case DecoderFailure::kCamera:
      return CameraText(detail);
    case DecoderFailure::kScreen:
      if (detail == "outside") return "the corner must lie on the screen, as +100,200 does";
      return "cannot be opened: expected a screen of an X server that this user may look at, such "
             "as :0 or :0+100,200 (a corner)";
    case DecoderFailure::kPicturesLost:
      return "gives no pictures any more: the device is gone";
    case DecoderFailure::kNothingCame:
      return "expected a film, found no byte";
    case DecoderFailure::kNotLive:
      return "cannot be read as it comes: expected MPEG-TS, Matroska, WebM or Motion JPEG; a film "
             "of another kind is to be given as a file";
    default:
      return "cannot read the file: the decoder refused its job";
  }
}

}  // namespace

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
    case DecoderFailure::kTooManyChannels:
      return "expected 1 to " + std::to_string(limits.sound_channels) + " sound channels, found " +
             detail;
    default:
      return DeviceFailureText(failure, detail);
  }
}

std::string DeathText(int status, const DecoderJob& job) {
  const bool device = !job.device.empty();
  const std::string what = IsPictureDevice(job) ? "pictures" : "sound";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
    return device ? "its reader tried something forbidden and was stopped"
                  : "cannot read the file: its decoder tried something forbidden and was stopped";
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) {
    if (device) return "gives no " + what;
    return "cannot read the file: decoding took too long and was stopped";
  }
  if (device) return "gives no " + what + " any more: its reader ended";
  return job.live ? "its decoder ended without a word"
                  : "cannot read the file: its decoder ended without an answer";
}

std::string SpanText(double from_s, double to_s) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g to %.9g s", from_s, to_s);
  return text;
}

}  // namespace gemma3n
