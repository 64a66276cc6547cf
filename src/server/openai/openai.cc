// SPDX-License-Identifier: Apache-2.0
#include "server/openai/openai.h"

#include <nlohmann/json.hpp>

#include "server/answer_stream.h"
#include "server/model_list.h"
#include "server/openai/answer.h"
#include "server/openai/chat_answer.h"
#include "server/openai/completion_answer.h"
#include "server/openai/embeddings.h"
#include "server/openai/files.h"
#include "server/openai/request.h"

namespace gemma3n::server {
namespace {

template <class Writer, class TheCall>
void Answer(const TheCall& call, const Service& service, const Asker& asker, Exchange& exchange) {
  const Headers headers = IgnoredHeader(call.ignored);
  const std::shared_ptr<Answering> answering = service.worker.Submit(call.asks, asker);
  Writer writer(call, service);
  if (call.stream) {
    StreamAnswers(writer, headers, call.asks.size(), *answering, exchange);
    return;
  }
  const std::vector<GenerateResult> results = Collect(*answering, exchange, call.asks.size());
  if (results.empty()) return;  // the client left
  exchange.Send({.headers = headers, .body = writer.Whole(results, answering->waited_ms())});
}

}  // namespace

std::vector<Route> OpenAi::Routes() {
  std::vector<Route> routes = {
      {"POST", "/v1/chat/completions",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         ChatCompletions(request, exchange);
       }},
      {"POST", "/v1/completions",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         Completions(request, exchange);
       }},
      {"GET", "/v1/models",
       [this](const Request&, const std::string&, Exchange& exchange) {
         exchange.Send({.body = ModelListText(service_)});
       }},
      {"GET", "/v1/models/*", [this](const Request&, const std::string& name, Exchange& exchange) {
         exchange.Send({.body = ModelText(service_, name)});
       }}};
  routes.push_back(EmbeddingRoute(service_));
  for (Route& route : FileRoutes(service_)) routes.push_back(std::move(route));
  for (Route& route : audio_.Routes()) routes.push_back(std::move(route));
  for (Route& route : responses_.Routes()) routes.push_back(std::move(route));
  for (Route& route : realtime_.Routes()) routes.push_back(std::move(route));
  return routes;
}

void OpenAi::ChatCompletions(const Request& request, Exchange& exchange) const {
  const ChatCall call =
      ReadChatCall(Field(ParseJson(request.body), ""), service_.For(exchange), request.owner);
  exchange.ForgetBody(0);
  Answer<ChatWriter>(call, service_, {request.owner, request.peer}, exchange);
}

void OpenAi::Completions(const Request& request, Exchange& exchange) const {
  const CompletionCall call = ReadCompletionCall(Field(ParseJson(request.body), ""), service_);
  exchange.ForgetBody(0);
  Answer<CompletionWriter>(call, service_, {request.owner, request.peer}, exchange);
}

Response OpenAi::Refused(const Refusal& refusal) const {
  return {.status = StatusOf(refusal.reason), .body = ErrorText(refusal)};
}

}  // namespace gemma3n::server
