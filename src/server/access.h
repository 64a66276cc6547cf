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

namespace gemma3n::server {

class Access {
 public:
  // `loopback_only`: nothing else is listened on.
  Access(const ServerOptions& options, bool loopback_only)
      : options_(options), loopback_only_(loopback_only) {}

  // Throws Refusal (kNotAllowed).
  void CheckHost(const Request& request) const;
  void CheckOrigin(const Request& request) const;
  // Whose key the request came with: its number among the keys, "" where none is needed. Throws
  // Refusal (kInvalidKey, kTooManyGuesses).
  std::string CheckKey(const Request& request);

  // What a page of an allowed origin needs to read the answer; nothing for others.
  Headers CrossOrigin(const Request& request) const;
  // The answer to a page's question whether it may ask (OPTIONS).
  Response Preflight(const Request& request) const;

 private:
  bool IsAllowedOrigin(const Request& request, const std::string& origin) const;

  const ServerOptions& options_;
  const bool loopback_only_;
  struct Guesses {
    std::chrono::steady_clock::time_point since;
    int count = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Guesses> guesses_;  // wrong keys of each address within a second
};

}  // namespace gemma3n::server
