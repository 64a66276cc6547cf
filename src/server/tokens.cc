// SPDX-License-Identifier: Apache-2.0
#include "server/tokens.h"

#include <nlohmann/json.hpp>

#include "server/json.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostTokens = 1 << 20;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Field ReadBody(const Json& json, const Service& service) {
  Field body(json, "");
  if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  if (body["model"].present()) service.CheckModel(body["model"].Text());
  return body;
}

}  // namespace

Response Tokenize(const Request& request, const Service& service) {
  const Json json = ParseJson(request.body);
  const Field body = ReadBody(json, service);
  const bool add_bos = body["add_special"].Flag(false);
  const bool with_pieces = body["with_pieces"].Flag(false);
  Json tokens = Json::array();
  for (const int32_t id : service.engine.Tokenize(body["content"].Text(), false, add_bos)) {
    if (with_pieces) {
      tokens.push_back({{"id", id}, {"piece", TokenBytes(service.engine, id)}});
    } else {
      tokens.push_back(id);
    }
  }
  return {.body = Dump({{"tokens", std::move(tokens)}})};
}

Response Detokenize(const Request& request, const Service& service) {
  const Json json = ParseJson(request.body);
  std::vector<int32_t> ids;
  const int64_t vocab_size = service.engine.facts().vocab_size;
  const Field tokens = ReadBody(json, service)["tokens"];
  for (const Field& token : tokens.Items(kMostTokens)) {
    const auto id = token.Integer(0, vocab_size - 1);
    if (!id) {
      throw Refusal(Reason::kInvalidValue, token.path() + ": expected a token, found null",
                    token.path());
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return {.body = Dump({{"content", service.engine.Detokenize(ids, false)}})};
}

}  // namespace gemma3n::server
