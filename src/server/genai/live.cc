// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live.h"

#include <nlohmann/json.hpp>

namespace gemma3n::server {
namespace {

// A version stands for the star.
constexpr char kPath[] = "/ws/google.ai.generativelanguage.*.GenerativeService.BidiGenerateContent";

const char* StatusName(int status) {
  switch (status) {
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 405:
      return "UNIMPLEMENTED";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 500:
      return "INTERNAL";
    case 503:
      return "UNAVAILABLE";
    default:
      return "INVALID_ARGUMENT";
  }
}

}  // namespace

std::vector<Route> GenAiLive::Routes() {
  const auto open = [this](const Request& request, const std::string&, Exchange& exchange) {
    const std::unique_ptr<WebSocket> socket = exchange.Upgrade("");
    GenAiLiveSession(service_, {request.owner, request.peer}, *socket, handles_).Run();
  };
  return {{"GET", kPath, open}};
}

bool GenAiLive::Speaks(const Request& request) const {
  return request.path.starts_with("/ws/");
}

Response GenAiLive::Refused(const Refusal& refusal) const {
  const int status = StatusOf(refusal.reason);
  const Json body = {
      {"error", {{"code", status}, {"message", refusal.what()}, {"status", StatusName(status)}}}};
  return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace gemma3n::server
