// SPDX-License-Identifier: Apache-2.0
#include "server/genai/embeddings.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "server/call.h"
#include "server/embedding.h"
#include "server/genai/proto_field.h"
#include "server/genai/request.h"

namespace gemma3n::server {
namespace {

std::string TextOf(const ProtoField& content) {
  std::string text;
  for (const ProtoField& part : content["parts"].Items(kMostParts)) {
    if (!part["text"].present()) CannotDo(part, "only text is embedded");
    text += part["text"].Text();
  }
  if (text.empty()) Expected(content, "a text that is not empty");
  return text;
}

// What is asked of one content beside it. The model has one kind of vector for all tasks.
EmbeddingOptions ReadOptions(const ProtoField& request, const Service& service) {
  if (request["model"].present()) ReadModelIn(request["model"].Text(), service);
  for (const char* name : {"taskType", "title"}) {
    if (request[name].present()) request[name].Text();
  }
  const int64_t width = service.engine.facts().hidden_size;
  return {.dimensions = request["outputDimensionality"].Integer(1, width),
          .truncate = request["autoTruncate"].Flag(false)};
}

std::string Values(const std::vector<float>& vector) {
  return "{\"values\":" + NumbersText(vector) + "}";
}

}  // namespace

void EmbedContent(const Service& service, const Request& request, const std::string& model,
                  Exchange& exchange) {
  ReadModelIn(model, service);
  Json json = ParseJson(request.body);
  const ProtoField body(json, "");
  const EmbeddingOptions options = ReadOptions(body, service);
  std::vector<EmbeddingInput> inputs = {{.text = TextOf(body["content"])}};
  json = nullptr;
  const auto found = Embed(service, request, exchange, std::move(inputs), options, "content");
  if (!found) return;  // the client left
  exchange.Send({.body = "{\"embedding\":" + Values(found->vectors[0]) + "}"});
}

void EmbedContents(const Service& service, const Request& request, const std::string& model,
                   Exchange& exchange) {
  ReadModelIn(model, service);
  Json json = ParseJson(request.body);
  const ProtoField requests = ProtoField(json, "")["requests"];
  std::vector<EmbeddingInput> inputs;
  EmbeddingOptions options;
  for (const ProtoField& one : requests.Items(kMostEmbeddingInputs)) {
    const EmbeddingOptions own = ReadOptions(one, service);
    if (!inputs.empty() &&
        (own.dimensions != options.dimensions || own.truncate != options.truncate)) {
      CannotDo(one, "outputDimensionality and autoTruncate must be the same in all requests");
    }
    options = own;
    inputs.push_back({.text = TextOf(one["content"])});
  }
  json = nullptr;
  const auto found = Embed(service, request, exchange, std::move(inputs), options, "requests");
  if (!found) return;  // the client left
  std::string list;
  for (const std::vector<float>& vector : found->vectors) {
    list += (list.empty() ? "" : ",") + Values(vector);
  }
  exchange.Send({.body = "{\"embeddings\":[" + list + "]}"});
}

}  // namespace gemma3n::server
