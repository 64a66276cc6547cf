// SPDX-License-Identifier: Apache-2.0
// GenAI's Live interface: a WebSocket. docs/server-live.md says what is honoured.
#pragma once

#include "server/chat.h"
#include "server/dialect.h"
#include "server/genai/live_session.h"

namespace gemma3n::server {

class GenAiLive : public Dialect {
 public:
  explicit GenAiLive(const Service& service) : service_(service) {}

  std::vector<Route> Routes() override;
  bool Speaks(const Request& request) const override;
  Response Refused(const Refusal& refusal) const override;

 private:
  const Service& service_;
  LiveHandles handles_;
};

}  // namespace gemma3n::server
