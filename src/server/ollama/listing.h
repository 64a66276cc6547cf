// SPDX-License-Identifier: Apache-2.0
// What Ollama's clients are told of the model under its names.
#pragma once

#include <string>

#include "server/chat.h"
#include "server/ollama/names.h"

namespace gemma3n::server {

std::string TagsText(const Service& service, const OllamaNames& names);
std::string RunningText(const Service& service, const OllamaNames& names);
std::string ShowText(const Service& service, const OllamaName& name);

}  // namespace gemma3n::server
