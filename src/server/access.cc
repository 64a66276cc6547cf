// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include "server/listener.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

constexpr int kGuessesPerSecond = 10;
constexpr size_t kMostAddresses = 1024;  // that are watched
constexpr char kCookie[] = "gemma3n_session";
constexpr std::chrono::hours kSessionLife(24 * 7);

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// The host of "name:port", without port and brackets, in small letters.
std::string NameOf(const std::string& host) {
  if (!host.empty() && host[0] == '[') {
    const size_t end = host.find(']');
    return end == std::string::npos ? host : Lower(host.substr(1, end - 1));
  }
  return Lower(host.substr(0, host.find(':')));
}

// As inet_pton writes it: nothing that some other reader would take for another address.
bool IsAddress(const std::string& name) {
  in_addr v4;
  in6_addr v6;
  return inet_pton(AF_INET, name.c_str(), &v4) == 1 || inet_pton(AF_INET6, name.c_str(), &v6) == 1;
}

bool IsUnspecified(const std::string& name) {
  return name == "0.0.0.0" || name == "::" || name == "::0";
}

// Of "a=b; c=d".
std::string CookieValue(const Request& request, std::string_view name) {
  const std::string* const cookies = request.Find("Cookie");
  std::string_view rest = cookies == nullptr ? std::string_view() : *cookies;
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return std::string(pair.substr(name.size() + 1));
    }
  }
  return "";
}

// Wherever a client's dialect has the key; "": nowhere.
std::string GivenKey(const Request& request) {
  constexpr std::string_view kScheme = "bearer ", kProtocol = "openai-insecure-api-key.";
  const std::string* const header = request.Find("Authorization");
  if (header != nullptr && Lower(header->substr(0, kScheme.size())) == kScheme) {
    return header->substr(kScheme.size());
  }
  if (const std::string* const google = request.Find("x-goog-api-key")) return *google;
  for (const std::string& protocol : request.List("Sec-WebSocket-Protocol")) {
    if (protocol.starts_with(kProtocol)) return protocol.substr(kProtocol.size());
  }
  for (const char* name : {"key", "access_token"}) {
    if (const auto value = QueryValue(request.query, name)) return *value;
  }
  return "";
}

}  // namespace

void Access::CheckHost(const Request& request) const {
  const std::string name = NameOf(*request.Find("Host"));
  for (const std::string& listed : options_.host_names) {
    if (Lower(listed) == name) return;
  }
  constexpr std::string_view kLocal = ".localhost";
  const bool local = name == "localhost" || (name.size() > kLocal.size() && name.ends_with(kLocal));
  if (local || IsLoopback(name)) return;
  // Off loopback the key protects, and an address cannot be made to mean another one.
  if (!loopback_only_ && IsAddress(name) && !IsUnspecified(name)) return;
  throw Refusal(Reason::kNotAllowed, "this server was not told that it is called '" + Shown(name) +
                                         "'; --host-name allows it");
}

bool Access::IsAllowedOrigin(const Request& request, const std::string& origin) const {
  const auto& listed = options_.origins;
  if (std::find(listed.begin(), listed.end(), origin) != listed.end()) return true;
  const std::string host = Lower(*request.Find("Host"));
  return Lower(origin) == (options_.tls ? "https://" : "http://") + host;
}

void Access::CheckOrigin(const Request& request) const {
  const std::string* const origin = request.Find("Origin");
  if (origin == nullptr) return;
  if (!IsAllowedOrigin(request, *origin)) {
    throw Refusal(Reason::kNotAllowed, "pages of '" + Shown(*origin) +
                                           "' may not ask this server; --allow-origin allows it");
  }
}

void Access::CheckContentType(const Request& request) {
  if (request.Find("Origin") == nullptr) return;
  const std::string* const type = request.Find("Content-Type");
  const std::string found = type == nullptr ? "" : Lower(type->substr(0, type->find(';')));
  if (request.method == "POST" && found != "application/json") {
    throw Refusal(Reason::kMediaType,
                  "expected Content-Type application/json, found '" + Shown(found) + "'");
  }
}

std::string Access::CheckKey(const Request& request) {
  if (options_.api_keys.empty()) return "";
  const std::string given = GivenKey(request);
  if (const std::string session = CookieValue(request, kCookie);
      given.empty() && !session.empty()) {
    const std::lock_guard lock(mutex_);
    // Not counted as a guess: 128 random bits are not guessed, and a page of before this server's
    // start asks for many things at once.
    if (const auto owner = sessions_.OwnerOf(session)) return *owner;
    throw Refusal(Reason::kInvalidKey, "the session has ended; log in again");
  }
  return OwnerOf(request.peer, given);
}

std::string Access::OwnerOf(const std::string& peer, const std::string& given) {
  const auto now = std::chrono::steady_clock::now();
  std::string owner;
  for (size_t i = 0; i < options_.api_keys.size(); ++i) {  // all of them, whichever it is
    if (SameSecret(options_.api_keys[i], given)) owner = std::to_string(i + 1);
  }
  const std::lock_guard lock(mutex_);
  if (const auto issued = issued_.OwnerOf(given)) owner = *issued;
  if (guesses_.size() >= kMostAddresses) {
    std::erase_if(guesses_, [&](const auto& entry) {
      return now - entry.second.since >= std::chrono::seconds(1);
    });
  }
  const auto found = guesses_.find(peer);
  const bool many = found != guesses_.end() && found->second.count >= kGuessesPerSecond &&
                    now - found->second.since < std::chrono::seconds(1);
  if (many) throw Refusal(Reason::kTooManyGuesses, "too many wrong keys; wait a second");
  if (!owner.empty()) return owner;
  Guesses& guesses = guesses_[peer];
  if (now - guesses.since >= std::chrono::seconds(1)) guesses = {now, 0};
  ++guesses.count;
  throw Refusal(Reason::kInvalidKey,
                given.empty() ? "expected the header Authorization: Bearer KEY, found no key"
                              : "the key is not one of this server's");
}

std::string Access::IssueKey(const std::string& owner, std::chrono::seconds life) {
  const std::lock_guard lock(mutex_);
  return issued_.Give("ek_", owner, life);
}

std::string Access::Cookie(const std::string& value, std::chrono::seconds life) const {
  return kCookie + ("=" + value) + "; Path=/; Max-Age=" + std::to_string(life.count()) +
         "; HttpOnly; SameSite=Strict" + (options_.tls ? "; Secure" : "");
}

std::string Access::LogIn(const Request& request, const std::string& key) {
  const std::string owner = options_.api_keys.empty() ? "" : OwnerOf(request.peer, key);
  const std::lock_guard lock(mutex_);
  return Cookie(sessions_.Give("", owner, kSessionLife), kSessionLife);
}

std::string Access::LogOut(const Request& request) {
  const std::lock_guard lock(mutex_);
  sessions_.Forget(CookieValue(request, kCookie));
  return Cookie("", std::chrono::seconds(0));
}

Headers Access::CrossOrigin(const Request& request) const {
  const std::string* const origin = request.Find("Origin");
  if (origin == nullptr || request.Find("Host") == nullptr) return {};
  if (!IsAllowedOrigin(request, *origin)) return {};
  return {{"Access-Control-Allow-Origin", *origin},
          {"Access-Control-Expose-Headers",
           "x-request-id, retry-after, x-gemma3n-ignored, x-goog-upload-url, x-goog-upload-status"},
          {"Vary", "Origin"}};
}

Response Access::Preflight(const Request&) const {
  return {
      .status = 204,
      .headers =
          {{"Access-Control-Allow-Methods", "GET, POST, DELETE"},
           {"Access-Control-Allow-Headers",
            "authorization, content-type, accept, user-agent, x-goog-api-key, x-goog-api-client, "
            "x-goog-upload-command, x-goog-upload-file-name, "
            "x-goog-upload-header-content-length, x-goog-upload-header-content-type, "
            "x-goog-upload-offset, x-goog-upload-protocol, x-server-timeout, "
            "openai-beta, openai-organization, openai-project, x-stainless-arch, "
            "x-stainless-async, "
            "x-stainless-custom-poll-interval, x-stainless-helper-method, "
            "x-stainless-lang, x-stainless-os, x-stainless-package-version, "
            "x-stainless-poll-helper, x-stainless-retry-count, x-stainless-runtime, "
            "x-stainless-runtime-version, x-stainless-timeout"},
           {"Access-Control-Max-Age", "600"}},
      .content_type = ""};
}

}  // namespace gemma3n::server
