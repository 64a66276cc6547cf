// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/ollama.h"

#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/answer_stream.h"
#include "server/ollama/answer.h"
#include "server/ollama/embeddings.h"
#include "server/ollama/listing.h"
#include "server/ollama/manage.h"

namespace gemma3n::server {
namespace {

// The prompt as it would be read, and nothing else done.
std::string RenderedText(const OllamaCall& call, const Service& service) {
  const Ask& ask = call.asks[0];
  return JsonLine({{"model", call.model},
                   {"created_at", TimeText(std::chrono::system_clock::now())},
                   {"_debug_info",
                    {{"rendered_template", service.engine.PromptText(ask.turns, ask.options)},
                     {"image_count", call.pictures}}}});
}

[[noreturn]] void NotServed(const std::string& why) {
  throw Refusal(Reason::kNotServed, "not supported by this server: " + why);
}

}  // namespace

bool Ollama::Speaks(const Request& request) const {
  if (request.path.starts_with("/api/")) return true;
  if (request.path != "/") return false;
  const std::string* const accept = request.Find("Accept");  // a browser asks for a page
  return accept == nullptr || accept->find("text/html") == std::string::npos;
}

std::vector<Route> Ollama::Routes() {
  std::vector<Route> routes = Answers();
  for (auto& more : {OllamaEmbeddingRoutes(service_, names_), Listings(), Management()}) {
    routes.insert(routes.end(), more.begin(), more.end());
  }
  return routes;
}

std::vector<Route> Ollama::Answers() {
  return {{"POST", "/api/chat",
           [this](const Request& request, const std::string&, Exchange& exchange) {
             Answer(OllamaKind::kChat, request, exchange);
           }},
          {"POST", "/api/generate",
           [this](const Request& request, const std::string&, Exchange& exchange) {
             Answer(OllamaKind::kGenerate, request, exchange);
           }}};
}

std::vector<Route> Ollama::Listings() {
  return {
      {"GET", "/",
       [](const Request&, const std::string&, Exchange& exchange) {
         exchange.Send({.body = "Ollama is running", .content_type = "text/plain; charset=utf-8"});
       }},
      {"GET", "/api/version",
       [this](const Request&, const std::string&, Exchange& exchange) {
         exchange.Send({.body = JsonLine({{"version", service_.options.ollama_version}})});
       }},
      {"GET", "/api/tags",
       [this](const Request&, const std::string&, Exchange& exchange) {
         exchange.Send({.body = TagsText(service_, names_)});
       }},
      {"GET", "/api/ps",
       [this](const Request&, const std::string&, Exchange& exchange) {
         exchange.Send({.body = RunningText(service_, names_)});
       }},
      {"POST", "/api/show", [this](const Request& request, const std::string&, Exchange& exchange) {
         Show(request, exchange);
       }}};
}

std::vector<Route> Ollama::Management() {
  std::vector<Route> routes = {
      {"POST", "/api/create",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         Create(request, exchange);
       }},
      {"POST", "/api/copy",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         CheckMayManage(request);
         const Json json = ParseJson(request.body);
         const Field body(json, "");
         if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
         names_.Copy(body["source"].Text(), body["destination"].Text());
         exchange.Send({});
       }},
      {"DELETE", "/api/delete",
       [this](const Request& request, const std::string&, Exchange& exchange) {
         CheckMayManage(request);
         const Json json = ParseJson(request.body);
         names_.Delete(ReadModelName(Field(json, "")));
         exchange.Send({});
       }}};
  const auto refuse = [](const char* why) {
    return [why](const Request&, const std::string&, Exchange&) { NotServed(why); };
  };
  constexpr const char* kNoNetwork = "it asks nothing of any network";
  constexpr const char* kNoAccount = "there are no accounts";
  constexpr const char* kNoBlobs = "models are files; see `gemma3n serve -m PATH`";
  routes.push_back({"POST", "/api/pull", refuse(kNoNetwork)});
  routes.push_back({"POST", "/api/push", refuse(kNoNetwork)});
  routes.push_back({"POST", "/api/me", refuse(kNoAccount)});
  routes.push_back({"POST", "/api/signout", refuse(kNoAccount)});
  routes.push_back(
      {.method = "POST", .pattern = "/api/blobs/*", .handle = refuse(kNoBlobs), .is_upload = true});
  routes.push_back({"GET", "/api/blobs/*", refuse(kNoBlobs)});
  return routes;
}

void Ollama::Answer(OllamaKind kind, const Request& request, Exchange& exchange) const {
  const OllamaCall call = ReadOllamaCall(kind, Field(ParseJson(request.body), ""),
                                         service_.For(exchange), names_, request.owner);
  exchange.ForgetBody(0);
  const Headers headers = IgnoredHeader(call.ignored);
  OllamaWriter writer(kind, call, service_);
  if (!call.has_prompt) {
    if (call.lets_go) service_.worker.Release();
    return exchange.Send(
        {.headers = headers, .body = writer.NoAnswer(call.lets_go ? "unload" : "load")});
  }
  if (call.render_only) {
    return exchange.Send({.headers = headers, .body = RenderedText(call, service_)});
  }
  const std::shared_ptr<Answering> answering =
      service_.worker.Submit(call.asks, {request.owner, request.peer});
  if (call.stream) {
    StreamAnswers(writer, headers, call.asks.size(), *answering, exchange);
    return;
  }
  const std::vector<GenerateResult> results = Collect(*answering, exchange, call.asks.size());
  if (results.empty()) return;  // the client left
  exchange.Send({.headers = headers, .body = writer.Whole(results[0], answering->waited_ms())});
}

void Ollama::Show(const Request& request, Exchange& exchange) const {
  const Json json = ParseJson(request.body);
  const Field body(json, "");
  const OllamaName name = names_.Find(ReadModelName(body));
  body["verbose"].Flag(false);
  exchange.Send({.body = ShowText(service_, name)});
}

void Ollama::Create(const Request& request, Exchange& exchange) {
  CheckMayManage(request);
  const Json json = ParseJson(request.body);
  const Field body(json, "");
  const bool stream = body["stream"].Flag(true);
  names_.Make(ReadCreate(body, service_, names_));
  const std::string done = JsonLine({{"status", "success"}});
  if (!stream) return exchange.Send({.body = done});
  exchange.Send({.body = JsonLine({{"status", "writing manifest"}}) + "\n" + done + "\n",
                 .content_type = "application/x-ndjson"});
}

// Names are everybody's, so whoever runs the server must have said that clients may change them;
// pages of other origins never may.
void Ollama::CheckMayManage(const Request& request) const {
  if (!service_.options.allow_model_management) {
    throw Refusal(Reason::kNotAllowed,
                  "models are managed only where the server runs with --allow-model-management");
  }
  const std::string* const origin = request.Find("Origin");
  const std::string* const host = request.Find("Host");
  if (origin == nullptr) return;
  if (host != nullptr && (*origin == "http://" + *host || *origin == "https://" + *host)) return;
  throw Refusal(Reason::kNotAllowed, "models are not managed by pages of other origins");
}

Response Ollama::Refused(const Refusal& refusal) const {
  return {.status = StatusOf(refusal.reason), .body = OllamaErrorText(refusal)};
}

}  // namespace gemma3n::server
