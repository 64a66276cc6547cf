// SPDX-License-Identifier: Apache-2.0
// OpenAI's dialect: chat completions, completions, models. docs/server.md says what is honoured.
#pragma once

#include "server/chat.h"
#include "server/http.h"
#include "server/refusal.h"

namespace gemma3n::server {

class OpenAi {
 public:
  explicit OpenAi(const Service& service) : service_(service) {}

  // Each throws Refusal before it has answered anything.
  void ChatCompletions(const Request& request, Exchange& exchange) const;
  void Completions(const Request& request, Exchange& exchange) const;
  Response Models() const;
  Response Model(const std::string& name) const;

  static Response Refused(const Refusal& refusal);

 private:
  const Service& service_;
};

}  // namespace gemma3n::server
