// SPDX-License-Identifier: Apache-2.0
// Who may speak to the service: by which name it was called (a web page can make its own name mean
// our address), from which page, with which key.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "server/http.h"
#include "server/secret.h"

namespace gemma3n::server {

class Access {
 public:
  // `loopback_only`: nothing else is listened on.
  Access(const ServerOptions& options, bool loopback_only)
      : options_(options), loopback_only_(loopback_only) {}

  // Throws Refusal (kNotAllowed).
  void CheckHost(const Request& request) const;
  void CheckOrigin(const Request& request) const;
  // What a form of any page could send needs no question beforehand: a page sends JSON, or it is
  // refused (kMediaType). For all paths that take no uploads.
  static void CheckContentType(const Request& request);
  // Whose key the request came with: its number among the keys, "" where none is needed. The key is
  // in Authorization, x-goog-api-key, a subprotocol (openai-insecure-api-key.KEY) or the query
  // (key, access_token); the page has a cookie instead. Throws Refusal (kInvalidKey,
  // kTooManyGuesses).
  std::string CheckKey(const Request& request);

  // A key for so long, for whoever should not see the owner's own: "ek_...".
  std::string IssueKey(const std::string& owner, std::chrono::seconds life);
  // The page's cookie for whoever has this key, as Set-Cookie says it. Throws as CheckKey does.
  std::string LogIn(const Request& request, const std::string& key);
  // Ends the session that the request came with. The cookie that takes its place.
  std::string LogOut(const Request& request);

  // What a page of an allowed origin needs to read the answer; nothing for others.
  Headers CrossOrigin(const Request& request) const;
  // The answer to a page's question whether it may ask (OPTIONS).
  Response Preflight(const Request& request) const;

 private:
  bool IsAllowedOrigin(const Request& request, const std::string& origin) const;
  std::string OwnerOf(const std::string& peer, const std::string& given);
  std::string Cookie(const std::string& value, std::chrono::seconds life) const;

  const ServerOptions& options_;
  const bool loopback_only_;
  struct Guesses {
    std::chrono::steady_clock::time_point since;
    int count = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Guesses> guesses_;  // wrong keys of each address within a second
  GivenSecrets issued_{1024}, sessions_{256};
};

}  // namespace gemma3n::server
