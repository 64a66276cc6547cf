// SPDX-License-Identifier: Apache-2.0
// Requests in Ollama's dialect -> asks.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"
#include "server/ollama/names.h"
#include "server/tools.h"

namespace gemma3n::server {

enum class OllamaKind { kChat, kGenerate };

struct OllamaCall : Call {
  ToolUse tools;
  bool has_prompt = true;    // else the model is only to be loaded, or let go
  bool render_only = false;  // the prompt is to be shown, not answered
  bool lets_go = false;      // keep_alive: 0
};

// Throws Refusal before any work is done, for what is wrong and for what would change the answer
// and cannot be done. `owner`: whose request it is.
OllamaCall ReadOllamaCall(OllamaKind kind, const Field& body, const Service& service,
                          const OllamaNames& names, const std::string& owner);

}  // namespace gemma3n::server
