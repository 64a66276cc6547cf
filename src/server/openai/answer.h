// SPDX-License-Identifier: Apache-2.0
// What the answers of all of OpenAI's endpoints have in common.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/answer_json.h"
#include "server/call.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/refusal.h"
#include "server/spent.h"

namespace gemma3n::server {

// {"message", "type", "param", "code"}.
Json ErrorJson(const Refusal& refusal);
// {"error": that}.
std::string ErrorText(const Refusal& refusal);

// "fp_" and 10 hex digits: other ones for another version, model, its files, size or context.
std::string Fingerprint(const Service& service);

// As chats and completions tell it.
Json UsageJson(const Spent& spent);
Json TimingsJson(std::span<const GenerateResult> results, double waited_ms);

}  // namespace gemma3n::server
