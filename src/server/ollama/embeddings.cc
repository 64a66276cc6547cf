// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/embeddings.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/call.h"
#include "server/embedding.h"
#include "server/ollama/manage.h"
#include "server/ollama/options.h"

namespace gemma3n::server {
namespace {

// What both forms have beside their inputs. Returns the model's name.
std::string ReadCommon(const Field& body, const Service& service, const OllamaNames& names) {
  const std::string model = ReadModelName(body);
  names.Find(model);
  ReadOllamaOptions(body["options"], service);
  if (body["keep_alive"].present()) ReadSeconds(body["keep_alive"]);
  return model;
}

std::vector<EmbeddingInput> ReadInputs(const Field& input) {
  std::vector<EmbeddingInput> inputs;
  if (!input.present() || input.json() == "") return inputs;
  for (const Field& one :
       input.is_text() ? std::vector{input} : input.Items(kMostEmbeddingInputs)) {
    inputs.push_back({.text = one.Text()});
    if (inputs.back().text.empty()) Expected(one, "a text that is not empty");
  }
  return inputs;
}

void Embed(const Service& service, const OllamaNames& names, const Request& request,
           Exchange& exchange) {
  const auto began = std::chrono::steady_clock::now();
  Json json = ParseJson(request.body);
  const Field body(json, "");
  const std::string model = ReadCommon(body, service, names);
  const EmbeddingOptions options{
      .dimensions = body["dimensions"].Integer(1, service.engine.facts().hidden_size),
      .truncate = body["truncate"].Flag(true)};
  std::vector<EmbeddingInput> inputs = ReadInputs(body["input"]);
  const Headers headers = IgnoredHeader(
      body.Others({"model", "name", "input", "truncate", "dimensions", "options", "keep_alive"}));
  json = nullptr;
  Embeddings found;  // of no input, which only loads the model: none
  if (!inputs.empty()) {
    auto embedded = Embed(service, request, exchange, std::move(inputs), options, "input");
    if (!embedded) return;  // the client left
    found = std::move(*embedded);
  }
  std::string vectors;
  for (const std::vector<float>& vector : found.vectors) {
    vectors += (vectors.empty() ? "" : ",") + NumbersText(vector);
  }
  const auto taken = std::chrono::steady_clock::now() - began;
  const int64_t nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count();
  exchange.Send(
      {.headers = headers,
       .body = "{\"model\":" + JsonLine(model) + ",\"embeddings\":[" + vectors +
               "],\"total_duration\":" + std::to_string(nanoseconds) +
               ",\"load_duration\":0,\"prompt_eval_count\":" + std::to_string(found.tokens) + "}"});
}

// The older form: one text, and its vector as long as it is.
void EmbedPrompt(const Service& service, const OllamaNames& names, const Request& request,
                 Exchange& exchange) {
  Json json = ParseJson(request.body);
  const Field body(json, "");
  ReadCommon(body, service, names);
  const std::string prompt = body["prompt"].present() ? body["prompt"].Text() : "";
  json = nullptr;
  std::string vector = "[]";
  if (!prompt.empty()) {
    const auto found = Embed(service, request, exchange, {{.text = prompt}},
                             {.normalize = false, .truncate = true}, "prompt");
    if (!found) return;  // the client left
    vector = NumbersText(found->vectors[0]);
  }
  exchange.Send({.body = "{\"embedding\":" + vector + "}"});
}

}  // namespace

std::vector<Route> OllamaEmbeddingRoutes(const Service& service, const OllamaNames& names) {
  return {{"POST", "/api/embed",
           [&](const Request& request, const std::string&, Exchange& exchange) {
             Embed(service, names, request, exchange);
           }},
          {"POST", "/api/embeddings",
           [&](const Request& request, const std::string&, Exchange& exchange) {
             EmbedPrompt(service, names, request, exchange);
           }}};
}

}  // namespace gemma3n::server
