// SPDX-License-Identifier: Apache-2.0
#include "server/openai/realtime.h"

#include <algorithm>
#include <ctime>

#include "server/access.h"
#include "server/call.h"
#include "server/openai/realtime_session.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostKept = 1024;
constexpr int64_t kSecretSeconds = 600, kOldSecretSeconds = 60;
constexpr char kProtocol[] = "realtime", kBetaProtocol[] = "openai-beta.realtime-v1";
constexpr std::string_view kKeyProtocol = "openai-insecure-api-key.";

bool Offers(const Request& request, std::string_view protocol) {
  const std::vector<std::string> offered = request.List("Sec-WebSocket-Protocol");
  return std::find(offered.begin(), offered.end(), protocol) != offered.end();
}

RealtimeSpelling SpellingOf(const Request& request) {
  const std::vector<std::string> betas = request.List("OpenAI-Beta");
  const bool beta = std::find(betas.begin(), betas.end(), "realtime=v1") != betas.end();
  return beta || Offers(request, kBetaProtocol) ? RealtimeSpelling::kBeta : RealtimeSpelling::kGa;
}

// The key that the request came with, where clients of this interface have it.
std::string KeyOf(const Request& request) {
  const std::string* const header = request.Find("Authorization");
  if (header != nullptr && header->size() > 7) return header->substr(7);
  for (const std::string& protocol : request.List("Sec-WebSocket-Protocol")) {
    if (protocol.starts_with(kKeyProtocol)) return protocol.substr(kKeyProtocol.size());
  }
  return "";
}

int64_t Now() {
  return static_cast<int64_t>(std::time(nullptr));
}

}  // namespace

std::vector<Route> Realtime::Routes() {
  const auto old = [this](bool only_transcribes) {
    return
        [this, only_transcribes](const Request& request, const std::string&, Exchange& exchange) {
          GiveOldSecret(request, only_transcribes, exchange);
        };
  };
  return {{"GET", "/v1/realtime",
           [this](const Request& request, const std::string&, Exchange& exchange) {
             Open(request, exchange);
           }},
          {"POST", "/v1/realtime/client_secrets",
           [this](const Request& request, const std::string&, Exchange& exchange) {
             GiveSecret(request, exchange);
           }},
          {"POST", "/v1/realtime/sessions", old(false)},
          {"POST", "/v1/realtime/transcription_sessions", old(true)}};
}

void Realtime::Open(const Request& request, Exchange& exchange) {
  const RealtimeSpelling spelling = SpellingOf(request);
  const std::optional<std::string> intent = QueryValue(request.query, "intent");
  if (intent && *intent != "transcription" && *intent != "conversation") {
    throw Refusal(Reason::kInvalidValue,
                  "intent: expected transcription or conversation, found '" + Shown(*intent) + "'",
                  "intent");
  }
  RealtimeSettings settings =
      DefaultRealtimeSettings(spelling, intent && *intent == "transcription", service_);
  if (const std::optional<RealtimeSettings> kept = KeptFor(KeyOf(request))) {
    settings = *kept;
    settings.spelling = spelling;
  }
  if (const auto model = QueryValue(request.query, "model"); model && !model->empty()) {
    service_.CheckModel(*model);
    settings.model = *model;
  }
  const std::unique_ptr<WebSocket> socket =
      exchange.Upgrade(Offers(request, kProtocol) ? kProtocol : "");
  RealtimeSession(service_, {request.owner, request.peer}, *socket, std::move(settings)).Run();
}

std::string Realtime::Keep(const RealtimeSettings& settings, const std::string& owner,
                           std::chrono::seconds life) {
  const std::string secret = service_.access.IssueKey(owner, life);
  const auto now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(kept_, [now](const auto& one) { return one.second.end <= now; });
  if (kept_.size() >= kMostKept) {
    kept_.erase(std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
      return a.second.end < b.second.end;
    }));
  }
  kept_[secret] = {settings, now + life};
  return secret;
}

std::optional<RealtimeSettings> Realtime::KeptFor(const std::string& secret) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(secret);
  if (found == kept_.end() || found->second.end <= std::chrono::steady_clock::now()) return {};
  return found->second.settings;
}

void Realtime::GiveSecret(const Request& request, Exchange& exchange) {
  const Json json = request.body.empty() ? Json::object() : ParseJson(request.body);
  const Field body(json, "");
  if (!json.is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const Field expires = body["expires_after"];
  expires["anchor"].Word({"created_at"});
  const int64_t seconds = expires["seconds"].Integer(10, 7200).value_or(kSecretSeconds);
  RealtimeSettings settings = DefaultRealtimeSettings(RealtimeSpelling::kGa, false, service_);
  if (body["session"].present()) {
    UpdateRealtimeSettings(body["session"], true, service_, settings);
  }
  const std::string secret = Keep(settings, request.owner, std::chrono::seconds(seconds));
  exchange.Send({.body = Json{{"value", secret},
                              {"expires_at", Now() + seconds},
                              {"session", RealtimeSessionJson(settings, NewId("sess_"), 0)}}
                             .dump(-1, ' ', false, Json::error_handler_t::replace)});
}

// As it was before: the session's fields are the body's, and the key is one of them.
void Realtime::GiveOldSecret(const Request& request, bool only_transcribes, Exchange& exchange) {
  const Json json = request.body.empty() ? Json::object() : ParseJson(request.body);
  RealtimeSettings settings =
      DefaultRealtimeSettings(RealtimeSpelling::kBeta, only_transcribes, service_);
  UpdateRealtimeSettings(Field(json, "session"), true, service_, settings);
  const std::string secret = Keep(settings, request.owner, std::chrono::seconds(kOldSecretSeconds));
  Json session = RealtimeSessionJson(settings, NewId("sess_"), 0);
  session["client_secret"] = {{"value", secret}, {"expires_at", Now() + kOldSecretSeconds}};
  exchange.Send({.body = session.dump(-1, ' ', false, Json::error_handler_t::replace)});
}

}  // namespace gemma3n::server
