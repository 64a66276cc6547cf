// SPDX-License-Identifier: Apache-2.0
#include "media_process/job.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace gemma3n {
namespace {

double Number(const char* word, double least, double most) {
  char* end = nullptr;
  const double value = std::strtod(word, &end);
  if (end == word || *end != 0 || !(value >= least && value <= most))
    throw DecoderError{DecoderFailure::kBadJob, ""};
  return value;
}

}  // namespace

Job ParseJob(int argc, char** argv) {
  Job job;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--allow-unsandboxed-decoder") {
      job.allow_unsandboxed = true;
      continue;
    }
    if (i + 1 >= argc) throw DecoderError{DecoderFailure::kBadJob, ""};
    const char* value = argv[++i];
    const auto integer = [&](double least, double most) {
      return static_cast<int64_t>(Number(value, least, most));
    };
    if (word == "--format")
      job.format = value;
    else if (word == "--device")
      job.device = value;
    else if (word == "--url")
      job.url = value;
    else if (word == "--live")
      job.live = integer(0, 1) != 0;
    else if (word == "--width")
      job.width = static_cast<int>(integer(1, 1 << 15));
    else if (word == "--height")
      job.height = static_cast<int>(integer(1, 1 << 15));
    else if (word == "--camera-fps")
      job.camera_fps = Number(value, 1e-3, 1000);
    else if (word == "--scene-change")
      job.scene_change = Number(value, 0, 1);
    else if (word == "--frames")
      job.frames = integer(0, 1) != 0;
    else if (word == "--sound")
      job.sound = integer(0, 1) != 0;
    else if (word == "--measured")
      job.measured = integer(0, 1) != 0;
    else if (word == "--fps")
      job.fps = Number(value, 1e-6, 1000);
    else if (word == "--max-frames")
      job.max_frames = static_cast<int>(integer(1, 1e6));
    else if (word == "--seconds")
      job.seconds = Number(value, 0, 1e7);
    else if (word == "--from")
      job.from_s = Number(value, 0, 1e7);
    else if (word == "--to")
      job.to_s = Number(value, 0, 1e7);
    else if (word == "--streams")
      job.streams = static_cast<int>(integer(1, 1000));
    else if (word == "--frame-pixels")
      job.frame_pixels = integer(1, 1 << 28);
    else if (word == "--decode-pixels")
      job.decode_pixels = integer(1, 1 << 30);
    else if (word == "--channels")
      job.channels = static_cast<int>(integer(1, 64));
    else if (word == "--memory-bytes")
      job.memory_bytes = static_cast<uint64_t>(integer(1, 1e15));
    else if (word == "--cpu-seconds")
      job.cpu_seconds = integer(1, 1e7);
    else
      throw DecoderError{DecoderFailure::kBadJob, ""};
  }
  if (job.frames && !job.measured && !job.live) throw DecoderError{DecoderFailure::kBadJob, ""};
  return job;
}

}  // namespace gemma3n
