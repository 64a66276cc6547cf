// SPDX-License-Identifier: Apache-2.0
// Requests in OpenAI's dialect -> asks.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/json.h"

namespace gemma3n::server {

struct OpenAiCall {
  std::vector<Ask> asks;
  std::string model;  // as it was asked for
  bool stream = false, include_usage = false;
  size_t choices_per_prompt = 1;
  int64_t pictures = 0, clips = 0;   // in the prompt
  std::vector<std::string> echoes;   // of completions: what stands before each answer
  std::vector<std::string> ignored;  // fields that we do not know
};

// Both throw Refusal before any work is done, for what is wrong and for what would change the
// answer and cannot be done. `owner`: whose request it is.
OpenAiCall ReadChatCall(const Field& body, const Service& service, const std::string& owner);
OpenAiCall ReadCompletionCall(const Field& body, const Service& service);

}  // namespace gemma3n::server
