// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back, over HTTP.
#pragma once

#include "server/chat.h"
#include "server/http.h"

namespace gemma3n::server {

// {"content", "add_special": false, "with_pieces": false} -> {"tokens": [..]}, where with pieces
// each is {"id", "piece"}. Control tokens in the text are text.
Response Tokenize(const Request& request, const Service& service);
// {"tokens": [..]} -> {"content": ".."}.
Response Detokenize(const Request& request, const Service& service);

}  // namespace gemma3n::server
