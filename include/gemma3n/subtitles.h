// SPDX-License-Identifier: Apache-2.0
// Segments of speech as subtitles. A translation stands below what it is of.
#pragma once

#include <cstddef>
#include <string>

#include "gemma3n/transcribe.h"

namespace gemma3n {

// "00:01:02,345", as SRT has it; with another sign before the milliseconds. Negative times are 0.
std::string SubtitleTime(double seconds, char point);

// Cues, each with the empty line that ends it; whatever the model said cannot end one earlier or
// begin another. `index` is from 0.
std::string SrtCue(size_t index, const Segment& segment);
std::string VttCue(const Segment& segment);
// What stands before the first cue of a WebVTT file.
inline constexpr char kVttHead[] = "WEBVTT\n\n";

}  // namespace gemma3n
