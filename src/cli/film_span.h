// SPDX-License-Identifier: Apache-2.0
// "film.mp4 1:05-1:20" as somebody types it -> the film, and which span of it is meant.
#pragma once

#include <string>

#include "gemma3n/media.h"

namespace gemma3n::cli {

struct FilmSpan {
  std::string path;
  VideoOptions video;
};

// A path, or a path and FROM-TO behind it: seconds, mm:ss or hh:mm:ss. A file that has this whole
// name is meant before a span of another. Throws Error (kUsage) for a span that cannot be read.
FilmSpan ParseFilmSpan(const std::string& typed, const VideoOptions& video);

}  // namespace gemma3n::cli
