// SPDX-License-Identifier: Apache-2.0
#include "server/openai/embeddings.h"

#include <bit>
#include <nlohmann/json.hpp>

#include "server/base64.h"
#include "server/call.h"
#include "server/embedding.h"
#include "server/json.h"

namespace gemma3n::server {
namespace {

// Each input is named by its own path where that says more.
std::vector<int32_t> ReadIds(const Field& ids) {
  std::vector<int32_t> read;
  for (const Field& id : ids.Items(SIZE_MAX)) {
    const auto number = id.Integer(0, INT32_MAX);
    if (!number) Expected(id, "a token id, found null");
    read.push_back(static_cast<int32_t>(*number));
  }
  if (read.empty()) Expected(ids, "token ids, found none");
  return read;
}

// A text, texts, ids of one text, or ids of several.
std::vector<EmbeddingInput> ReadInputs(const Field& input) {
  if (!input.present())
    throw Refusal(Reason::kMissing, "input: expected a text or a list", "input");
  if (input.is_text()) return {{.text = input.Text()}};
  if (!input.is_list()) Expected(input, "a text, a list of texts, or token ids");
  if (!input.json().empty() && input.json()[0].is_number()) return {{.ids = ReadIds(input)}};
  std::vector<EmbeddingInput> inputs;
  for (const Field& one : input.Items(kMostEmbeddingInputs)) {
    if (one.is_list()) {
      inputs.push_back({.ids = ReadIds(one)});
    } else {
      inputs.push_back({.text = one.Text()});
      if (inputs.back().text.empty()) Expected(one, "a text that is not empty");
    }
  }
  return inputs;
}

// Little-endian float32, as OpenAI's clients read it.
std::string Base64Of(const std::vector<float>& vector) {
  std::string bytes;
  for (const float value : vector) {
    const auto bits = std::bit_cast<uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(bits >> shift & 255);
  }
  return "\"" + EncodeBase64(bytes) + "\"";
}

std::string Answer(const Embeddings& found, const std::string& model, bool base64) {
  std::string text = "{\"object\":\"list\",\"data\":[";
  for (size_t i = 0; i < found.vectors.size(); ++i) {
    text += (i > 0 ? "," : "") + std::string("{\"object\":\"embedding\",\"index\":") +
            std::to_string(i) + ",\"embedding\":" +
            (base64 ? Base64Of(found.vectors[i]) : NumbersText(found.vectors[i])) + "}";
  }
  const std::string tokens = std::to_string(found.tokens);
  return text + "],\"model\":" + nlohmann::json(model).dump() +
         ",\"usage\":{\"prompt_tokens\":" + tokens + ",\"total_tokens\":" + tokens + "}}";
}

void Handle(const Service& service, const Request& request, Exchange& exchange) {
  Json json = ParseJson(request.body);
  const Field body(json, "");
  if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const Field model = body["model"];
  const std::string name = model.present() ? model.Text() : service.options.model_name;
  service.CheckModel(name);
  const bool base64 = body["encoding_format"].Word({"float", "base64"}).value_or("") == "base64";
  const EmbeddingOptions options{
      .dimensions = body["dimensions"].Integer(1, service.engine.facts().hidden_size)};
  if (body["user"].present()) body["user"].Text();
  const Headers headers =
      IgnoredHeader(body.Others({"model", "input", "encoding_format", "dimensions", "user"}));
  std::vector<EmbeddingInput> inputs = ReadInputs(body["input"]);
  json = nullptr;
  const auto found = Embed(service, request, exchange, std::move(inputs), options, "input");
  if (!found) return;  // the client left
  exchange.Send({.headers = headers, .body = Answer(*found, name, base64)});
}

}  // namespace

Route EmbeddingRoute(const Service& service) {
  return {.method = "POST",
          .pattern = "/v1/embeddings",
          .handle = [&service](const Request& request, const std::string&, Exchange& exchange) {
            Handle(service, request, exchange);
          }};
}

}  // namespace gemma3n::server
