// SPDX-License-Identifier: Apache-2.0
// Embeddings in Google's dialect: of one content, or of many.
#pragma once

#include <string>

#include "server/chat.h"
#include "server/http.h"

namespace gemma3n::server {

// `model`: the name in the path. Both throw Refusal.
void EmbedContent(const Service& service, const Request& request, const std::string& model,
                  Exchange& exchange);
void EmbedContents(const Service& service, const Request& request, const std::string& model,
                   Exchange& exchange);

}  // namespace gemma3n::server
