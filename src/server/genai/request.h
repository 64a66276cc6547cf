// SPDX-License-Identifier: Apache-2.0
// Requests in Google's dialect -> asks.
#pragma once

#include <string>

#include "server/call.h"
#include "server/genai/proto_field.h"
#include "server/tools.h"

namespace gemma3n::server {

struct GenAiCall : Call {
  ToolUse tools;
};

// The model's name without "models/". Throws Refusal (kModelNotFound).
std::string ReadModelIn(const std::string& name, const Service& service);

// Both throw Refusal before any work is done, for what is wrong and for what would change the
// answer and cannot be done. `model`: the name in the path; `owner`: whose request it is.
GenAiCall ReadGenerateContent(const ProtoField& body, const std::string& model,
                              const Service& service, const std::string& owner);
// The one ask has the prompt that is to be counted.
GenAiCall ReadCountTokens(const ProtoField& body, const std::string& model, const Service& service,
                          const std::string& owner);

}  // namespace gemma3n::server
