// SPDX-License-Identifier: Apache-2.0
#include "server/genai/genai.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/answer_stream.h"
#include "server/genai/answer.h"
#include "server/genai/embeddings.h"
#include "server/genai/list_page.h"
#include "server/genai/request.h"
#include "server/model_list.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

constexpr const char* kVersions[] = {"/v1", "/v1beta", "/v1alpha"};  // all mean the same here

}  // namespace

bool GenAi::Speaks(const Request& request) const {
  const std::string& path = request.path;
  for (const char* prefix : {"/v1beta/", "/v1alpha/", "/upload/"}) {
    if (path.starts_with(prefix)) return true;
  }
  if (request.Find("x-goog-api-key") != nullptr || request.Find("x-goog-api-client") != nullptr) {
    return true;
  }
  if (path.starts_with("/v1/models/") && request.method == "POST") return true;
  return QueryValue(request.query, "key").has_value();
}

std::vector<Route> GenAi::Routes() {
  std::vector<Route> routes;
  for (const char* version : kVersions) AddModelRoutes(version + std::string("/models"), routes);
  for (Route& route : files_.Routes()) routes.push_back(std::move(route));
  return routes;
}

void GenAi::AddModelRoutes(const std::string& models, std::vector<Route>& routes) {
  using Method = void (GenAi::*)(const Request&, const std::string&, Exchange&) const;
  const auto add = [&](const char* verb, Method method) {
    routes.push_back(
        {"POST", models + "/*:" + verb,
         [this, method](const Request& request, const std::string& model, Exchange& exchange) {
           (this->*method)(request, model, exchange);
         }});
  };
  add("generateContent", &GenAi::Generate);
  add("streamGenerateContent", &GenAi::Stream);
  add("countTokens", &GenAi::CountTokens);
  add("embedContent", &GenAi::Embed);
  add("batchEmbedContents", &GenAi::EmbedAll);
  routes.push_back({"POST", models + "/*", [](const Request&, const std::string& name, Exchange&) {
                      throw Refusal(Reason::kNotFound,
                                    "'" + Shown(name) +
                                        "' is not served; of a model's methods these are: "
                                        "generateContent, streamGenerateContent, countTokens, "
                                        "embedContent, batchEmbedContents");
                    }});
  routes.push_back(
      {"GET", models, [this](const Request& request, const std::string&, Exchange& exchange) {
         exchange.Send({.body = ModelListText(service_, PageOf(request))});
       }});
  routes.push_back(
      {"GET", models + "/*", [this](const Request&, const std::string& name, Exchange& exchange) {
         exchange.Send({.body = ModelText(service_, name)});
       }});
}

void GenAi::Generate(const Request& request, const std::string& model, Exchange& exchange) const {
  const GenAiCall call = ReadGenerateContent(ProtoField(ParseJson(request.body), ""), model,
                                             service_.For(exchange), request.owner);
  exchange.ForgetBody(0);
  const std::shared_ptr<Answering> answering =
      service_.worker.Submit(call.asks, {request.owner, request.peer});
  const std::vector<GenerateResult> results = Collect(*answering, exchange, call.asks.size());
  if (results.empty()) return;  // the client left
  const GenAiWriter writer(GenAiStream::kEvents, call, service_);
  exchange.Send({.headers = IgnoredHeader(call.ignored), .body = writer.Whole(results)});
}

void GenAi::Stream(const Request& request, const std::string& model, Exchange& exchange) const {
  const GenAiCall call = ReadGenerateContent(ProtoField(ParseJson(request.body), ""), model,
                                             service_.For(exchange), request.owner);
  exchange.ForgetBody(0);
  const bool events = QueryValue(request.query, "alt") == "sse";
  GenAiWriter writer(events ? GenAiStream::kEvents : GenAiStream::kList, call, service_);
  const std::shared_ptr<Answering> answering =
      service_.worker.Submit(call.asks, {request.owner, request.peer});
  StreamAnswers(writer, IgnoredHeader(call.ignored), call.asks.size(), *answering, exchange);
}

void GenAi::CountTokens(const Request& request, const std::string& model,
                        Exchange& exchange) const {
  const Json body = ParseJson(request.body);
  const GenAiCall call =
      ReadCountTokens(ProtoField(body, ""), model, service_.For(exchange), request.owner);
  exchange.Send({.headers = IgnoredHeader(call.ignored), .body = CountText(call, service_)});
}

void GenAi::Embed(const Request& request, const std::string& model, Exchange& exchange) const {
  EmbedContent(service_, request, model, exchange);
}

void GenAi::EmbedAll(const Request& request, const std::string& model, Exchange& exchange) const {
  EmbedContents(service_, request, model, exchange);
}

Response GenAi::Refused(const Refusal& refusal) const {
  return {.status = StatusOf(refusal.reason), .body = GenAiErrorText(refusal)};
}

}  // namespace gemma3n::server
