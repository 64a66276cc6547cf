// SPDX-License-Identifier: Apache-2.0
// Fields that several of OpenAI's endpoints share. The rule: what would change the answer and
// cannot be done is refused; what is about somebody's billing, storage or supervision is checked
// for its type and left alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/json.h"
#include "server/openai/request.h"

namespace gemma3n::server {

// model, stream, stream_options, n and user of chats and completions.
void ReadCall(const Field& body, const Service& service, OpenAiCall& call);
// The model that is asked for, or the only one. Throws Refusal where the body is no object.
std::string ReadModel(const Field& body, const Service& service);
// temperature, top_p and what goes beyond OpenAI's: top_k, min_p, typical_p, repeat_penalty,
// num_ctx.
void ReadShape(const Field& body, const Service& service, GenerateOptions& options);
// These, seed, penalties, logit_bias and stop.
void ReadSampling(const Field& body, const Service& service, GenerateOptions& options);
// logit_bias. Throws Refusal (kInvalidValue) also where no token is left to answer with.
std::map<int32_t, double> ReadTokenBiases(const Field& field, const Service& service);
// What streams tell with each chunk.
void ListenToLogprobs(OpenAiCall& call);

// Throws Refusal (kInvalidValue) for a field that is left alone but is not what it should be.
struct LeftAlone {
  enum class Type { kFlag, kText, kObject, kInteger, kAny };
  const char* name;
  Type type;
};
void CheckLeftAlone(const Field& body, const std::vector<LeftAlone>& fields);
// The object of at most 16 texts, as JSON; empty where there is none.
std::string ReadMetadata(const Field& field);

// The names of these and of `more` are known; the others of the body are told.
std::vector<std::string> UnknownFields(const Field& body, const std::vector<std::string_view>& more,
                                       const std::vector<LeftAlone>& left_alone);

}  // namespace gemma3n::server
