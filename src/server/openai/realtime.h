// SPDX-License-Identifier: Apache-2.0
// OpenAI's Realtime interface: a WebSocket, and keys that a page may open one with.
// docs/server-live.md says what is honoured.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/openai/realtime_settings.h"

namespace gemma3n::server {

class Realtime {
 public:
  explicit Realtime(const Service& service) : service_(service) {}
  std::vector<Route> Routes();

 private:
  void Open(const Request& request, Exchange& exchange);
  void GiveSecret(const Request& request, Exchange& exchange);
  void GiveOldSecret(const Request& request, bool only_transcribes, Exchange& exchange);
  std::string Keep(const RealtimeSettings& settings, const std::string& owner,
                   std::chrono::seconds life);
  std::optional<RealtimeSettings> KeptFor(const std::string& secret);

  const Service& service_;
  struct Kept {
    RealtimeSettings settings;
    std::chrono::steady_clock::time_point end;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> kept_;  // by the secret that opens a session with these settings
};

}  // namespace gemma3n::server
