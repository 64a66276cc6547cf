// SPDX-License-Identifier: Apache-2.0
// Ollama's requests that make names of the model. A process serves one model, so a name made of it
// is the same model with a system text and options of its own.
#pragma once

#include "server/chat.h"
#include "server/json.h"
#include "server/ollama/names.h"

namespace gemma3n::server {

// The field that names a model, which is "model" or, of older clients, "name". Throws Refusal.
std::string ReadModelName(const Field& body);

// What /api/create asks for, in fields or as the text of a Modelfile. Throws Refusal
// (kUnsupportedValue for another model than the one that is served, kInvalidValue).
OllamaName ReadCreate(const Field& body, const Service& service, const OllamaNames& names);

// The name as a Modelfile.
std::string ModelfileOf(const OllamaName& name, const std::string& from);

// "temperature 1\ntop_k 64": options as a Modelfile has them, a line each.
std::string ParameterLines(const Json& options);

}  // namespace gemma3n::server
