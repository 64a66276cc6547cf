// SPDX-License-Identifier: Apache-2.0
// The model under each of its names, as clients of OpenAI and of Google ask for it: both at the
// same path, so that every object has the members of both.
#pragma once

#include <string>

#include "server/chat.h"
#include "server/genai/list_page.h"
#include "server/json.h"

namespace gemma3n::server {

// Throws Refusal (kModelNotFound).
std::string ModelText(const Service& service, const std::string& name);

std::string ModelListText(const Service& service, const ListPage& page = {.most = SIZE_MAX});

}  // namespace gemma3n::server
