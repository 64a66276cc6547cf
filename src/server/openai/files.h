// SPDX-License-Identifier: Apache-2.0
// OpenAI's files. docs/server-audio.md says what is honoured.
#pragma once

#include <vector>

#include "server/chat.h"
#include "server/dialect.h"

namespace gemma3n::server {

std::vector<Route> FileRoutes(const Service& service);

}  // namespace gemma3n::server
