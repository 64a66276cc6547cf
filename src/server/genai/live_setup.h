// SPDX-License-Identifier: Apache-2.0
// How clients of GenAI's Live interface set a session up.
#pragma once

#include <optional>
#include <string>

#include "server/chat.h"
#include "server/genai/proto_field.h"
#include "server/live/ear.h"
#include "server/live/reply.h"
#include "server/tools.h"

namespace gemma3n::server {

struct LiveSetup {
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

// `setup` but for its systemInstruction. Throws Refusal.
LiveSetup ReadLiveSetup(const ProtoField& setup, const Service& service);

}  // namespace gemma3n::server
