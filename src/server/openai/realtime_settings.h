// SPDX-License-Identifier: Apache-2.0
// What a Realtime session is set to, in both spellings that clients use: that of 2025 and later
// ("GA", with `audio.input`) and the one before it ("beta", flat).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "gemma3n/sound_stream.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/live/ear.h"
#include "server/live/reply.h"
#include "server/tools.h"

namespace gemma3n::server {

enum class RealtimeSpelling { kGa, kBeta };

struct RealtimeDetection {
  bool semantic = false;
  std::string eagerness = "auto";  // of a semantic one
  Detection detection;
  bool create_response = true, interrupt_response = true;
  std::optional<int64_t> idle_timeout_ms;
};

struct RealtimeTranscription {
  std::string model;  // as it was asked for; this one writes
  Transcripts::Wish wish;
};

struct RealtimeTools {
  ToolUse use;
  std::shared_ptr<const Constraint> constraint;  // of answers that may call them
  Json tools, choice;                            // as they came
};

struct RealtimeSettings {
  RealtimeSpelling spelling = RealtimeSpelling::kGa;
  bool only_transcribes = false;
  std::string model;
  std::string instructions;
  RawSound sound{24000, 1, RawSound::Format::kS16};
  std::optional<RealtimeDetection> detection = RealtimeDetection();
  std::optional<RealtimeTranscription> transcription;
  RealtimeTools tools;
  std::optional<int64_t> max_output_tokens;  // without: what is left of the context
  SamplingOptions sampling;
  bool truncates = true;
  Json left_alone;  // fields that change nothing, told back as they came
};

// What a session begins with.
RealtimeSettings DefaultRealtimeSettings(RealtimeSpelling spelling, bool only_transcribes,
                                         const Service& service);

// `session` over `settings`, or a Refusal and no change. `is_new`: the model and the kind of
// session may still be chosen.
void UpdateRealtimeSettings(const Field& session, bool is_new, const Service& service,
                            RealtimeSettings& settings);

// The session as events tell it.
Json RealtimeSessionJson(const RealtimeSettings& settings, const std::string& id,
                         int64_t expires_at);

// Of a session or of one response.
// "text" is served. The older clients' own default is both, of which they get the text.
void ReadOutputModalities(const Field& modalities, RealtimeSpelling spelling);
std::optional<int64_t> ReadMostTokens(const Field& field);
// `temperature`, and beyond OpenAI's `seed` and `logit_bias`; what is not there stays as it was.
void ReadRealtimeSampling(const Field& holder, const Service& service, SamplingOptions& sampling);
// `holder`: what has `tools`, `tool_choice` and `parallel_tool_calls`, each of which replaces what
// was there.
void ReadRealtimeTools(const Field& holder, RealtimeTools& tools);

}  // namespace gemma3n::server
