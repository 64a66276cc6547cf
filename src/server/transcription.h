// SPDX-License-Identifier: Apache-2.0
// Recordings that clients send -> segments, whatever the dialect. The pieces of a recording are
// answered by the worker beside everything else; docs/speech.md says what they are.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/transcribe.h"
#include "server/chat.h"
#include "server/spool.h"

namespace gemma3n::server {

struct TranscriptionRequest {
  TranscribeOptions speech;  // `together` and `live` say nothing
  std::string language;      // an English name, where it is known; speech.language may name several
  bool tell_language = false;  // asks the model for it, where it is not
};

struct Transcription {
  std::vector<Segment> segments;
  double duration_s = 0;
  std::string language;  // an English name; "" where it is not known
  TranscribeTimings timings;
};

struct TranscriptionEvents {
  std::function<bool()> on_begin;  // the sound can be read
  std::function<bool(const Segment& segment, size_t index)> on_segment;
  std::function<bool()> on_moment;  // several times a second
};

// Hears all of `sound`; nothing when one of the events, each of which may be null, returned false.
// Throws Refusal: kInvalidAudio, kTooLarge past the longest recording, kUnsupportedValue for a
// model that does not hear, what Worker::Submit throws. `param` is where the sound came from.
std::optional<Transcription> Transcribe(const Service& service, const Asker& asker,
                                        const Spool& sound, const std::string& param,
                                        const TranscriptionRequest& request,
                                        const TranscriptionEvents& events);

// What stands behind a question about speech, where `prompt` says what it is about; empty: nothing.
std::string ContextHint(const std::string& prompt);

// All that is said, in one line.
std::string TextOf(const std::vector<Segment>& segments);

}  // namespace gemma3n::server
