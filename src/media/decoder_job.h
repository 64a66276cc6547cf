// SPDX-License-Identifier: Apache-2.0
// What gemma3n-media is told to do, in the words of its command line, and what is said to the user
// of how it failed.
#pragma once

#include <string>
#include <vector>

#include "gemma3n/media.h"
#include "gemma3n/picture_stream.h"
#include "media/decoder_protocol.h"

namespace gemma3n {

struct DecoderJob {
  std::string format;        // the name of a MediaType of kind kAudio or kVideo, or one of a device
  bool frames = true;        // then the file must have a video track
  bool sound = true;         // then, without `frames`, the file must have sound
  bool measured = true;      // else, without `frames`, the length is what the container says
  double sound_seconds = 0;  // without `frames`: more is an error
  // A microphone, of format "ALSA" or "PulseAudio", a camera, "Video4Linux", or a screen, "X11";
  // then no file is read.
  std::string device;
  bool live = false;     // pictures without end, video.fps of a file's seconds or of the clock's
  CameraOptions camera;  // of "Video4Linux"
  VideoOptions video = {};
};

// For a film whose first kFilmSniffBytes are of this type. Throws Error(kMedia) when they are not a
// film's, or the options are out of range.
DecoderJob FilmJob(const MediaType& type, const std::string& name, const VideoOptions& video);
inline constexpr uint64_t kFilmSniffBytes = 4096;

// Live pictures through a pipe: their format is for the program to find out.
inline constexpr const char* kPipeFormat = "pipe";

// How much sound there may be beyond the limit, so that passing it is noticed; after the end of a
// film, that its soundtrack goes on.
inline constexpr double kSpareSeconds = 60;

// The demuxer that the program is to use, which never guesses by itself; null: it has none.
const char* DemuxerName(const std::string& format);

// In seconds; what comes later is left out of a film, and an error in a sound.
double LookedAt(const DecoderJob& job, const MediaLimits& limits);

// The processor time that the program may use for `seconds` of a film or a sound.
double CpuSecondsFor(double seconds, const DecoderJob& job, const MediaLimits& limits);

std::vector<std::string> JobWords(const std::string& program, const DecoderJob& job,
                                  const MediaOptions& options);

// What the libraries of devices look for their settings and servers by, "NAME=value"; decoding sees
// nothing.
std::vector<std::string> JobEnvironment(const DecoderJob& job);

// The rest of a message that starts with the file's name: of a failure the program told us, and of
// a program that ended without a word, with this status of waitpid.
std::string FailureText(const FailureBody& failure, const MediaLimits& limits);
std::string DeathText(int status, const DecoderJob& job);

// A span of time as messages have it: "65 to 80.5 s".
std::string SpanText(double from_s, double to_s);

}  // namespace gemma3n
