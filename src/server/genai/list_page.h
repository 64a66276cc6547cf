// SPDX-License-Identifier: Apache-2.0
// Lists that come in pages, in Google's dialect.
#pragma once

#include <algorithm>
#include <cstddef>

#include "server/http.h"
#include "server/json.h"

namespace gemma3n::server {

// The query's pageSize and pageToken; without them the first 50.
struct ListPage {
  size_t skip = 0, most = 50;

  // Of a list of so many: the first one that is on the page, and the one after its last.
  size_t Begin(size_t count) const { return std::min(skip, count); }
  size_t End(size_t count) const { return Begin(count) + std::min(most, count - Begin(count)); }
  // The token of the next page, where there is one.
  void AddNext(size_t count, Json& list) const;
};

// Throws Refusal (kInvalidValue).
ListPage PageOf(const Request& request);

}  // namespace gemma3n::server
