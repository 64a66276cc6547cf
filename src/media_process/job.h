// SPDX-License-Identifier: Apache-2.0
// The words on our command line -> what to decode and within which limits.
#pragma once

#include <cstdint>
#include <string>

#include "media/decoder_protocol.h"

namespace gemma3n {

// Thrown anywhere in this program, told to the parent as a kFailure record.
struct DecoderError {
  DecoderFailure reason;
  std::string detail;
};

struct Job {
  std::string format;  // a demuxer's name, from the list in film.cc or microphone.cc
  std::string device;  // a microphone, camera or screen in place of descriptor 0
  std::string url;     // what to fetch, and nothing else
  // Pictures without end, at most `fps` of them for each second that passes: by the time stamps of
  // a file, by the clock where descriptor 0 is a pipe ("pipe" is its format then) or of a device.
  bool live = false;
  int width = 0, height = 0;  // asked of a camera, as the next
  double camera_fps = 30;
  double scene_change = 0;  // above 0: frames are chosen by scene, not by `fps`
  bool frames = true;
  bool sound = true;
  // Walk over all packets first, for the length. Frames need it; without, the length is what the
  // container says, and sound comes at once.
  bool measured = true;
  double fps = 1;
  int max_frames = 32;
  double seconds = 7200;  // looked at
  // Of the film, since its first frame: where the frames and the sound that are wanted lie.
  double from_s = 0, to_s = 7200;
  int streams = 16;
  int64_t frame_pixels = 2 << 20;    // larger frames are scaled down
  int64_t decode_pixels = 64 << 20;  // larger frames are refused
  int channels = 8;
  uint64_t memory_bytes = 1ull << 30;
  int64_t cpu_seconds = 60;
  bool allow_unsandboxed = false;
};

// Throws DecoderError(kBadJob) for an unknown word or a value out of range.
Job ParseJob(int argc, char** argv);

}  // namespace gemma3n
