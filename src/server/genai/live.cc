// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live.h"

#include "server/genai/answer.h"

namespace gemma3n::server {
namespace {

// A version stands for the star.
constexpr char kPath[] = "/ws/google.ai.generativelanguage.*.GenerativeService.BidiGenerateContent";

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
  return {.status = StatusOf(refusal.reason), .body = GenAiErrorText(refusal)};
}

}  // namespace gemma3n::server
