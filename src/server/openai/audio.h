// SPDX-License-Identifier: Apache-2.0
// OpenAI's transcriptions and translations. docs/server-audio.md says what is honoured.
#pragma once

#include <atomic>
#include <vector>

#include "server/chat.h"
#include "server/dialect.h"

namespace gemma3n::server {

class OpenAiAudio {
 public:
  explicit OpenAiAudio(const Service& service) : service_(service) {}
  std::vector<Route> Routes();

 private:
  void Handle(const Request& request, bool translates, Exchange& exchange);

  const Service& service_;
  std::atomic<size_t> under_way_ = 0;
};

}  // namespace gemma3n::server
