// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

namespace gemma3n::server {
namespace {

constexpr int kGuessesPerSecond = 10;
constexpr size_t kMostAddresses = 1024;  // that are watched

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

// Takes as long for a key that differs in its first byte as for one that differs in its last.
bool SameKey(const std::string& key, const std::string& given) {
  unsigned differs = key.size() != given.size();
  for (size_t i = 0; i < given.size(); ++i) {
    differs |= static_cast<unsigned char>(given[i] ^ key[i % key.size()]);
  }
  return differs == 0;
}

std::string GivenKey(const Request& request) {
  const std::string* const header = request.Find("Authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (header == nullptr || Lower(header->substr(0, kScheme.size())) != kScheme) return "";
  return header->substr(kScheme.size());
}

}  // namespace

void Access::CheckHost(const Request& request) const {
  const std::string name = NameOf(*request.Find("Host"));
  const auto& listed = options_.host_names;
  if (std::find(listed.begin(), listed.end(), name) != listed.end()) return;
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
  return Lower(origin) == "http://" + host;
}

void Access::CheckOrigin(const Request& request) const {
  const std::string* const origin = request.Find("Origin");
  if (origin == nullptr) return;
  if (!IsAllowedOrigin(request, *origin)) {
    throw Refusal(Reason::kNotAllowed, "pages of '" + Shown(*origin) +
                                           "' may not ask this server; --allow-origin allows it");
  }
  // What a form of any page could send needs no question beforehand.
  const std::string* const type = request.Find("Content-Type");
  const std::string found = type == nullptr ? "" : Lower(type->substr(0, type->find(';')));
  if (request.method == "POST" && found != "application/json") {
    throw Refusal(Reason::kMediaType,
                  "expected Content-Type application/json, found '" + Shown(found) + "'");
  }
}

std::string Access::CheckKey(const Request& request) {
  if (options_.api_keys.empty()) return "";
  const auto now = std::chrono::steady_clock::now();
  const std::string given = GivenKey(request);
  std::string owner;
  for (size_t i = 0; i < options_.api_keys.size(); ++i) {  // all of them, whichever it is
    if (SameKey(options_.api_keys[i], given)) owner = std::to_string(i + 1);
  }
  const std::lock_guard lock(mutex_);
  if (guesses_.size() >= kMostAddresses) {
    std::erase_if(guesses_, [&](const auto& entry) {
      return now - entry.second.since >= std::chrono::seconds(1);
    });
  }
  const auto found = guesses_.find(request.peer);
  const bool many = found != guesses_.end() && found->second.count >= kGuessesPerSecond &&
                    now - found->second.since < std::chrono::seconds(1);
  if (many) throw Refusal(Reason::kTooManyGuesses, "too many wrong keys; wait a second");
  if (!owner.empty()) return owner;
  Guesses& guesses = guesses_[request.peer];
  if (now - guesses.since >= std::chrono::seconds(1)) guesses = {now, 0};
  ++guesses.count;
  throw Refusal(Reason::kInvalidKey,
                given.empty() ? "expected the header Authorization: Bearer KEY, found no key"
                              : "the key is not one of this server's");
}

Headers Access::CrossOrigin(const Request& request) const {
  const std::string* const origin = request.Find("Origin");
  if (origin == nullptr || request.Find("Host") == nullptr) return {};
  if (!IsAllowedOrigin(request, *origin)) return {};
  return {{"Access-Control-Allow-Origin", *origin},
          {"Access-Control-Expose-Headers", "x-request-id, retry-after, x-gemma3n-ignored"},
          {"Vary", "Origin"}};
}

Response Access::Preflight(const Request&) const {
  return {.status = 204,
          .headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE"},
                      {"Access-Control-Allow-Headers",
                       "authorization, content-type, accept, openai-beta, openai-organization, "
                       "openai-project, x-stainless-arch, x-stainless-async, "
                       "x-stainless-custom-poll-interval, x-stainless-helper-method, "
                       "x-stainless-lang, x-stainless-os, x-stainless-package-version, "
                       "x-stainless-poll-helper, x-stainless-retry-count, x-stainless-runtime, "
                       "x-stainless-runtime-version, x-stainless-timeout"},
                      {"Access-Control-Max-Age", "600"}},
          .content_type = ""};
}

}  // namespace gemma3n::server
