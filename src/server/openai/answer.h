// SPDX-License-Identifier: Apache-2.0
// What the answers of all of OpenAI's endpoints have in common.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/refusal.h"

namespace gemma3n::server {

// JSON on one line; bytes that are no whole character, which a token may be, become U+FFFD.
std::string JsonLine(const Json& json);

// {"message", "type", "param", "code"}.
Json ErrorJson(const Refusal& refusal);
// {"error": that}.
std::string ErrorText(const Refusal& refusal);

std::string ModelText(const Service& service, const std::string& name);
std::string ModelListText(const Service& service);
// "fp_" and 10 hex digits: other ones for another version, model, size or context.
std::string Fingerprint(const Service& service);

// What a call cost; the choices of one prompt share it.
struct Spent {
  int64_t prompt = 0, cached = 0, answer = 0;
  int64_t image = 0, audio = 0;  // of the prompt

  int64_t text() const { return prompt > image + audio ? prompt - image - audio : 0; }
};
Spent SpentOf(const Call& call, const Service& service, std::span<const GenerateResult> results);
// As chats and completions tell it.
Json UsageJson(const Spent& spent);
Json TimingsJson(std::span<const GenerateResult> results, double waited_ms);

}  // namespace gemma3n::server
