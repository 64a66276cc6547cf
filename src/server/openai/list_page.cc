// SPDX-License-Identifier: Apache-2.0
#include "server/openai/list_page.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <numeric>

#include "server/refusal.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

[[noreturn]] void RefuseQuery(const std::string& name, const std::string& expected,
                              const std::string& found) {
  throw Refusal(Reason::kInvalidValue,
                name + ": expected " + expected + ", found '" + Shown(found) + "'", name);
}

size_t LimitOf(const Request& request, const PageSize& size) {
  const auto text = QueryValue(request.query, "limit");
  if (!text) return size.usual;
  size_t limit = 0;
  const char* const end = text->data() + text->size();
  const auto [next, error] = std::from_chars(text->data(), end, limit);
  if (error != std::errc() || next != end || limit < 1 || limit > size.most) {
    RefuseQuery("limit", "an integer from 1 to " + std::to_string(size.most), *text);
  }
  return limit;
}

bool IsDescending(const Request& request) {
  const std::string order = QueryValue(request.query, "order").value_or("desc");
  if (order != "asc" && order != "desc") RefuseQuery("order", "one of 'asc', 'desc'", order);
  return order == "desc";
}

}  // namespace

Json PageJson(const Request& request, const std::vector<std::string>& ids, const PageSize& size,
              const std::function<Json(size_t)>& item) {
  std::vector<size_t> places(ids.size());
  std::iota(places.begin(), places.end(), size_t{0});
  if (IsDescending(request)) std::reverse(places.begin(), places.end());
  auto begin = places.begin();
  if (const auto after = QueryValue(request.query, "after")) {
    begin = std::find_if(begin, places.end(), [&](size_t at) { return ids[at] == *after; });
    if (begin == places.end()) RefuseQuery("after", "the id of one of the list", *after);
    ++begin;
  }
  const auto left = static_cast<size_t>(places.end() - begin);
  const size_t count = std::min(left, LimitOf(request, size));
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  Json data = Json::array();
  for (auto at = begin; at != end; ++at) data.push_back(item(*at));
  return {{"object", "list"},
          {"data", std::move(data)},
          {"first_id", count == 0 ? Json(nullptr) : Json(ids[*begin])},
          {"last_id", count == 0 ? Json(nullptr) : Json(ids[*(end - 1)])},
          {"has_more", left > count}};
}

}  // namespace gemma3n::server
