// SPDX-License-Identifier: Apache-2.0
// Requests of chats and completions in OpenAI's dialect -> asks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"
#include "server/openai/logprobs.h"
#include "server/tools.h"

namespace gemma3n::server {

struct OpenAiCall : Call {
  bool include_usage = false;
  // Of each ask of a stream with log-probabilities.
  std::vector<std::shared_ptr<LogprobQueue>> logprobs;
};

struct ChatCall : OpenAiCall {
  ToolUse tools;
  bool old_functions = false;  // "functions", answered with "function_call"
  std::string metadata;        // JSON to be given back; empty: none
};

struct CompletionCall : OpenAiCall {
  bool echo = false;
  std::vector<std::string> prompts;  // as text
  std::vector<bool> of_ids;          // whether each came as token ids
  size_t choices = 1;                // of each prompt, the best of choices_per_prompt
  int top_logprobs = -1;             // as asked for
};

// Both throw Refusal before any work is done, for what is wrong and for what would change the
// answer and cannot be done. `owner`: whose request it is.
ChatCall ReadChatCall(const Field& body, const Service& service, const std::string& owner);
CompletionCall ReadCompletionCall(const Field& body, const Service& service);

}  // namespace gemma3n::server
