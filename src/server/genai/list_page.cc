// SPDX-License-Identifier: Apache-2.0
#include "server/genai/list_page.h"

#include <nlohmann/json.hpp>

#include "server/genai/proto_field.h"
#include "server/url.h"

namespace gemma3n::server {

void ListPage::AddNext(size_t count, Json& list) const {
  if (End(count) < count) list["nextPageToken"] = std::to_string(End(count));
}

ListPage PageOf(const Request& request) {
  constexpr int64_t kMostPage = 1000;
  const Json size = QueryValue(request.query, "pageSize").value_or("0");
  const Json token = QueryValue(request.query, "pageToken").value_or("0");
  ListPage page;
  const auto most = ProtoField(size, "pageSize").Integer(0, kMostPage).value_or(0);
  if (most > 0) page.most = static_cast<size_t>(most);
  page.skip = static_cast<size_t>(ProtoField(token, "pageToken").Integer(0, INT32_MAX).value_or(0));
  return page;
}

}  // namespace gemma3n::server
