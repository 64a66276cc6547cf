// SPDX-License-Identifier: Apache-2.0
// Films and compressed sound -> frames and samples, by the sandboxed program gemma3n-media. We
// trust nothing it says: its records are checked as if an attacker had written them, and it is
// killed when it takes too long.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "gemma3n/media.h"
#include "media/input_file.h"

namespace gemma3n {

struct DecoderJob {
  std::string format;  // the name of a MediaType of kind kAudio or kVideo
  bool frames = true;  // then the file must have a video track
  bool sound = true;   // then, without `frames`, the file must have sound
  VideoOptions video;
};

// Starts the program, hands it `file`, collects its answer. Throws Error: kMedia when the file
// cannot be read, kResources when the program is missing or cannot be started.
VideoClip RunDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
                     const MediaOptions& options);

// A span of time as messages have it: "65 to 80.5 s".
std::string SpanText(double from_s, double to_s);

// Where the program is, by the rule of MediaOptions::decoder_program; empty when there is none.
std::filesystem::path FindDecoderProgram(const MediaOptions& options);

}  // namespace gemma3n
