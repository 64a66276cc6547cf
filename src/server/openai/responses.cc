// SPDX-License-Identifier: Apache-2.0
#include "server/openai/responses.h"

#include <nlohmann/json.hpp>

#include "server/answer_stream.h"
#include "server/openai/answer.h"
#include "server/openai/list_page.h"
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

uint64_t BytesOf(const std::vector<ResponseItem>& items) {
  uint64_t bytes = 0;
  for (const ResponseItem& item : items) bytes += item.json.size();
  return bytes;
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
  ResponseCall call = ReadResponseCall(Field(ParseJson(request.body), ""), service_.For(exchange),
                                       request.owner, store_);
  if (!call.store) call.input.clear();
  exchange.ForgetBody(BytesOf(call.input));
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
  std::vector<std::string> ids;
  for (const ResponseItem& item : found->input) ids.push_back(item.id);
  const Json page = PageJson(request, ids, {.usual = 20, .most = 100},
                             [&](size_t at) { return Json::parse(found->input[at].json); });
  exchange.Send({.body = JsonLine(page)});
}

}  // namespace gemma3n::server
