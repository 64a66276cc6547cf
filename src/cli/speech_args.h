// SPDX-License-Identifier: Apache-2.0
// What `transcribe` and `translate` are asked for: recordings, where texts go, options.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "gemma3n/sound_stream.h"
#include "gemma3n/transcribe.h"

namespace gemma3n::cli {

struct SpeechArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaOptions media;
  TranscribeOptions speech;
  std::optional<int64_t> together;
  std::vector<std::string> inputs;
  std::string out, out_dir, format, task = "transcribe", microphone, raw;
  bool detect_language = false, by_transcript = false, show_prompt = false, with_times = false;
  bool live = false, use_microphone = false, restart = false;
};

// Its options, all but --task.
void AddSpeechOptions(CLI::App& command, SpeechArgs& args);

SpeechTask TaskOf(const SpeechArgs& args);
// --raw. Throws Error (kUsage).
std::optional<RawSound> ParseRaw(const std::string& text);
// The file that a recording's text goes to; "": standard output.
std::string PathFor(const SpeechArgs& args, const std::string& source);
// Finds the recordings in folders, and refuses what does not go together or would overwrite
// something. Throws Error (kUsage, kMedia).
void CheckArgs(SpeechArgs& args);

}  // namespace gemma3n::cli
