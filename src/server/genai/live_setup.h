// SPDX-License-Identifier: Apache-2.0
// What clients of GenAI's Live interface send -> what it means. JavaScript writes names in
// camelCase, Python in snake_case: both are read everywhere.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/constraint.h"
#include "server/call.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/live/ear.h"
#include "server/live/reply.h"
#include "server/tools.h"

namespace gemma3n::server {

struct LiveSetup {
  std::string model;
  std::string system;
  GenerateOptions options;
  ToolUse tools;
  std::optional<Detection> detection = Detection();  // nothing: the client says who speaks when
  bool interrupts = true;                            // an answer ends when somebody speaks
  bool only_activity = true;  // pictures count while somebody speaks, and the newest before
  std::optional<Transcripts::Wish> transcribes;
  bool resumes = false;     // handles to go on with are wished
  std::string handle;       // to go on with; "": none
  int64_t most_tokens = 0;  // of a prompt; 0: as many as the context holds
};

// A member by its camelCase name, or the same in snake_case.
Field Member(const Field& object, const char* camel);

// The text of bytes, whose base64 may be of either alphabet and without padding, as the standard
// has it.
std::string Base64Of(const Field& data);

// Each throws Refusal.
LiveSetup ReadLiveSetup(const Field& setup, const Service& service);
// `names`: of calls by their ids, which those in the contents are added to.
void ReadLiveTurn(const Field& content, const Service& service, const std::string& owner,
                  std::map<std::string, std::string>& names, std::vector<Turn>& turns);
// A function's response as a part of the user's.
Part ReadFunctionResponse(const Field& response, const std::string& name);
// "audio/pcm;rate=16000".
RawSound ReadSoundType(const Field& mime_type);

}  // namespace gemma3n::server
