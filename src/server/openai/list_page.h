// SPDX-License-Identifier: Apache-2.0
// Lists that come in pages, in OpenAI's dialect.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "server/http.h"
#include "server/json.h"

namespace gemma3n::server {

struct PageSize {
  size_t usual, most;  // how many where the query has no `limit`; the largest that it may have
};

// The page that the query's `limit`, `order` ("desc" where it has none) and `after` ask for. `ids`
// are of the whole list, oldest first; `item` makes the JSON of one of them, by its place there.
// Throws Refusal (kInvalidValue).
Json PageJson(const Request& request, const std::vector<std::string>& ids, const PageSize& size,
              const std::function<Json(size_t)>& item);

}  // namespace gemma3n::server
