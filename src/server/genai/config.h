// SPDX-License-Identifier: Apache-2.0
// generationConfig, tools and toolConfig of Google's dialect -> settings of an answer.
#pragma once

#include <memory>

#include "server/chat.h"
#include "server/genai/proto_field.h"
#include "server/tools.h"

namespace gemma3n::server {

// All throw Refusal before any work is done, for what is wrong and for what would change the answer
// and cannot be done.

// What answers of all kinds have of it: sampling, their ends, the size of pictures; nothing but
// text.
GenerateOptions ReadGenerationConfig(const ProtoField& config, const Service& service);
// What generateContent has beside it, but for candidateCount and what the answer may be. Names that
// are not known go to `ignored`.
void ReadGenerateContentConfig(const ProtoField& config, GenerateOptions& options,
                               std::vector<std::string>& ignored);

// `body` has both.
ToolUse ReadGenAiTools(const ProtoField& body);

// What the answer may be by responseMimeType, a schema and functions, which are told of the schema.
std::shared_ptr<const Constraint> ReadResponseForm(const ProtoField& config, ToolUse& tools);

}  // namespace gemma3n::server
