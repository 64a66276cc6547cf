// SPDX-License-Identifier: Apache-2.0
// OpenAI's embeddings. docs/server-audio.md says what is honoured.
#pragma once

#include "server/chat.h"
#include "server/dialect.h"

namespace gemma3n::server {

Route EmbeddingRoute(const Service& service);

}  // namespace gemma3n::server
