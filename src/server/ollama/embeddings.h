// SPDX-License-Identifier: Apache-2.0
// Ollama's embeddings, in their newer and their older form.
#pragma once

#include <vector>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/ollama/names.h"

namespace gemma3n::server {

// Both live as long as the routes.
std::vector<Route> OllamaEmbeddingRoutes(const Service& service, const OllamaNames& names);

}  // namespace gemma3n::server
