// SPDX-License-Identifier: Apache-2.0
// Ollama's `options`, of a request or of a name that was created -> settings of an answer.
#pragma once

#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"

namespace gemma3n::server {

struct OllamaOptions {
  GenerateOptions generate;
  int64_t context = 0;               // positions that prompt and answer may take together
  std::vector<std::string> ignored;  // names, with "options." before them
};

// Throws Refusal (kInvalidValue).
OllamaOptions ReadOllamaOptions(const Field& options, const Service& service);

// "5m", "1h30m", "-1s", or a number of seconds. Throws Refusal (kInvalidValue).
double ReadSeconds(const Field& duration);

}  // namespace gemma3n::server
