// SPDX-License-Identifier: Apache-2.0
// How the page, which cannot keep a key from scripts, gets a cookie for it instead.
#pragma once

#include <vector>

#include "server/access.h"
#include "server/dialect.h"

namespace gemma3n::server {

// POST /page/login {"key": KEY} and POST /page/logout; both answer 204.
std::vector<Route> LoginRoutes(Access& access);

}  // namespace gemma3n::server
