// SPDX-License-Identifier: Apache-2.0
// Messages in Ollama's dialect -> turns.
#pragma once

#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"
#include "server/tools.h"

namespace gemma3n::server {

// Each throws Refusal. `system` stands in front where the messages have no text of the system.
void ReadOllamaMessages(const Field& messages, const std::string& system, const ToolUse& tools,
                        MediaParts& media, Ask& ask);
// Pictures, sounds and films, which are told apart by what they hold.
std::vector<Part> ReadOllamaMedia(const Field& images, MediaParts& media);
ToolUse ReadOllamaTools(const Field& tools);

}  // namespace gemma3n::server
