// SPDX-License-Identifier: Apache-2.0
// Segments of speech as text, subtitles or JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "gemma3n/transcribe.h"

namespace gemma3n::cli {

enum class TranscriptFormat { kText, kSrt, kVtt, kJson, kJsonLines };

// By the name of the format, else by the ending of a file's name; text where neither says.
TranscriptFormat FormatOf(const std::string& name, const std::string& path);

// "1:02:03", "2:03".
std::string ShortClock(double seconds);

// What stands before the first segment and behind the last one.
std::string TranscriptHead(TranscriptFormat format);
// Segment number `index`, from 0; each as soon as it is there. Of kJson nothing.
std::string TranscriptEntry(TranscriptFormat format, size_t index, const Segment& segment,
                            bool with_times);

nlohmann::ordered_json SegmentAsJson(const Segment& segment);
Segment SegmentFromJson(const nlohmann::ordered_json& json);

// What is said of a recording beside its segments.
struct TranscriptFacts {
  std::string source, language, prompt;
  double duration_s = 0;
};
std::string TranscriptAsJson(const TranscriptFacts& facts, const std::vector<Segment>& segments);

}  // namespace gemma3n::cli
