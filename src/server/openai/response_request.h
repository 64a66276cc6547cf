// SPDX-License-Identifier: Apache-2.0
// Requests of OpenAI's Responses -> asks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"
#include "server/openai/logprobs.h"
#include "server/openai/response_store.h"
#include "server/tools.h"

namespace gemma3n::server {

struct ResponseCall : Call {
  std::string owner;
  ToolUse tools;
  bool store = true;
  Dialogue dialogue;                // up to this answer
  std::vector<ResponseItem> input;  // what this request adds to it
  std::string settings;             // what the response repeats of the request: a JSON object
  std::shared_ptr<LogprobQueue> logprobs;  // of a stream that tells them
};

// Throws Refusal before any work is done, as ReadChatCall.
ResponseCall ReadResponseCall(const Field& body, const Service& service, const std::string& owner,
                              ResponseStore& store);

}  // namespace gemma3n::server
