// SPDX-License-Identifier: Apache-2.0
// Contents in Google's dialect -> turns.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/conversation.h"
#include "server/genai/proto_field.h"
#include "server/tools.h"

namespace gemma3n::server {

// Adds contents, one after another, to a conversation. Everything throws Refusal.
class ContentReader {
 public:
  explicit ContentReader(MediaParts& media) : media_(media) {}

  void AddSystem(const ProtoField& instruction);
  // {"role", "parts"}
  void Add(const ProtoField& content);
  // {"id", "name", "response"}: what a function gave, as the user's.
  void AddResult(const ProtoField& response);

  Conversation conversation;

 private:
  class Parts;
  Part Medium(const ProtoField& part);
  ToolCall Call(const ProtoField& call);
  std::string Result(const ProtoField& response);

  MediaParts& media_;
  std::map<std::string, std::string> names_;  // of calls, by their ids
};

}  // namespace gemma3n::server
