// SPDX-License-Identifier: Apache-2.0
#include "server/openai/responses.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/answer_stream.h"
#include "server/openai/answer.h"
#include "server/openai/response_answer.h"
#include "server/openai/response_request.h"
#include "server/refusal.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

[[noreturn]] void RefuseUnknown(const std::string& id) {
  throw Refusal(Reason::kNotFound, "the response '" + Shown(id) + "' is not kept here",
                "response_id");
}

size_t LimitOf(const Request& request) {
  constexpr size_t kUsual = 20, kMost = 100;
  const auto text = QueryValue(request.query, "limit");
  if (!text) return kUsual;
  size_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error != std::errc() || end != text->data() + text->size() || limit < 1 || limit > kMost) {
    throw Refusal(Reason::kInvalidValue,
                  "limit: expected an integer from 1 to 100, found '" + Shown(*text) + "'",
                  "limit");
  }
  return limit;
}

bool IsDescending(const Request& request) {
  const std::string order = QueryValue(request.query, "order").value_or("desc");
  if (order == "asc" || order == "desc") return order == "desc";
  throw Refusal(Reason::kInvalidValue,
                "order: expected one of 'asc', 'desc', found '" + Shown(order) + "'", "order");
}

}  // namespace

std::vector<Route> Responses::Routes() {
  return {
      {"POST", "/v1/responses",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         Create(request, exchange);
       }},
      {"POST", "/v1/responses/*/cancel",
       [this](const Request& request, const std::string& id, Exchange& exchange) {
         Cancel(request, id, exchange);
       }},
      {"GET", "/v1/responses/*/input_items",
       [this](const Request& request, const std::string& id, Exchange& exchange) {
         List(request, id, exchange);
       }},
      {"GET", "/v1/responses/*",
       [this](const Request& request, const std::string& id, Exchange& exchange) {
         if (QueryValue(request.query, "stream") == "true") {
           throw Refusal(Reason::kUnsupportedValue,
                         "stream: a response is given whole once it has ended", "stream");
         }
         exchange.Send({.body = Find(request, id)->json});
       }},
      {"DELETE", "/v1/responses/*",
       [this](const Request& request, const std::string& id, Exchange& exchange) {
         if (!store_.Forget(request.owner, id)) RefuseUnknown(id);
         exchange.Send({.body = JsonLine({{"id", id}, {"object", "response"}, {"deleted", true}})});
       }}};
}

std::shared_ptr<const KeptResponse> Responses::Find(const Request& request, const std::string& id) {
  std::shared_ptr<const KeptResponse> found = store_.Find(request.owner, id);
  if (found == nullptr) RefuseUnknown(id);
  return found;
}

void Responses::Create(const Request& request, Exchange& exchange) {
  const Json body = ParseJson(request.body);
  const ResponseCall call = ReadResponseCall(Field(body, ""), service_, request.owner, store_);
  const Headers headers = IgnoredHeader(call.ignored);
  const std::shared_ptr<Answering> answering =
      service_.worker.Submit(call.asks, {request.owner, request.peer});
  ResponseWriter writer(call, service_, store_);
  store_.Begin(request.owner, writer.id(), writer.Begun(), answering);
  struct AtEnd {
    ResponseStore& store;
    const std::string& id;
    ~AtEnd() { store.End(id); }
  } const at_end{store_, writer.id()};
  if (call.stream) {
    StreamAnswers(writer, headers, call.asks.size(), *answering, exchange);
    return;
  }
  const std::vector<GenerateResult> results = Collect(*answering, exchange, call.asks.size());
  if (results.empty()) return;  // the client left
  exchange.Send({.headers = headers, .body = writer.Whole(results[0])});
}

void Responses::Cancel(const Request& request, const std::string& id, Exchange& exchange) {
  if (const auto running = store_.Cancel(request.owner, id)) {
    Json response = Json::parse(*running);
    response["status"] = "cancelled";
    exchange.Send({.body = JsonLine(response)});
    return;
  }
  Find(request, id);
  throw Refusal(Reason::kInvalidValue, "the response '" + Shown(id) + "' has ended already",
                "response_id");
}

void Responses::List(const Request& request, const std::string& id, Exchange& exchange) {
  const std::shared_ptr<const KeptResponse> found = Find(request, id);
  std::vector<ResponseItem> items = found->input;
  if (IsDescending(request)) std::reverse(items.begin(), items.end());
  if (const auto after = QueryValue(request.query, "after")) {
    const auto at = std::find_if(items.begin(), items.end(),
                                 [&](const ResponseItem& item) { return item.id == *after; });
    if (at == items.end()) {
      throw Refusal(Reason::kInvalidValue,
                    "after: expected the id of an item, found '" + Shown(*after) + "'", "after");
    }
    items.erase(items.begin(), at + 1);
  }
  const size_t limit = LimitOf(request);
  const bool has_more = items.size() > limit;
  if (has_more) items.resize(limit);
  Json data = Json::array();
  for (const ResponseItem& item : items) data.push_back(Json::parse(item.json));
  exchange.Send(
      {.body = JsonLine({{"object", "list"},
                         {"data", std::move(data)},
                         {"first_id", items.empty() ? Json(nullptr) : Json(items.front().id)},
                         {"last_id", items.empty() ? Json(nullptr) : Json(items.back().id)},
                         {"has_more", has_more}})});
}

}  // namespace gemma3n::server
