// SPDX-License-Identifier: Apache-2.0
// Requests in OpenAI's dialect -> asks.
#pragma once

#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"

namespace gemma3n::server {

struct OpenAiCall : Call {
  bool include_usage = false;
  std::vector<std::string> echoes;  // of completions: what stands before each answer
};

// Both throw Refusal before any work is done, for what is wrong and for what would change the
// answer and cannot be done. `owner`: whose request it is.
OpenAiCall ReadChatCall(const Field& body, const Service& service, const std::string& owner);
OpenAiCall ReadCompletionCall(const Field& body, const Service& service);

}  // namespace gemma3n::server
