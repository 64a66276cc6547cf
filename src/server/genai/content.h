// SPDX-License-Identifier: Apache-2.0
// Contents in Google's dialect -> turns.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gemma3n/sound_stream.h"
#include "server/conversation.h"
#include "server/genai/proto_field.h"
#include "server/tools.h"

namespace gemma3n::server {

// Adds contents, one after another, to a conversation. `media`: of the request that they come in.
// Everything throws Refusal.
class ContentReader {
 public:
  void AddSystem(const ProtoField& instruction, MediaParts& media);
  // Each {"role", "parts"}. What the model says in several, one after another, is one answer:
  // clients keep each piece of a stream as a content of its own.
  void Add(const std::vector<ProtoField>& contents, MediaParts& media);
  // {"id", "name", "response"}: what a function gave, as the user's.
  void AddResult(const ProtoField& response, MediaParts& media);

  Conversation conversation;
  std::map<std::string, std::string> names;  // of calls, by their ids

 private:
  class Parts;
  void AddParts(const ProtoField& content, bool model, MediaParts& media, Parts& parts);
  ToolCall Call(const ProtoField& call);
  std::string Result(const ProtoField& response) const;
};

// "audio/pcm;rate=16000": samples without a header, signed 16 bits, at 8 to 48 kHz. Throws Refusal.
RawSound ReadSoundType(const ProtoField& mime_type);

}  // namespace gemma3n::server
