// SPDX-License-Identifier: Apache-2.0
// OpenAI's dialect: chat completions, completions, responses, models, Realtime.
// docs/server-openai.md and docs/server-live.md say what is honoured.
#pragma once

#include "server/chat.h"
#include "server/dialect.h"
#include "server/openai/audio.h"
#include "server/openai/realtime.h"
#include "server/openai/responses.h"

namespace gemma3n::server {

class OpenAi : public Dialect {
 public:
  explicit OpenAi(const Service& service)
      : service_(service), audio_(service), responses_(service), realtime_(service) {}

  std::vector<Route> Routes() override;
  bool Speaks(const Request& request) const override { return request.path.starts_with("/v1"); }
  Response Refused(const Refusal& refusal) const override;

 private:
  void ChatCompletions(const Request& request, Exchange& exchange) const;
  void Completions(const Request& request, Exchange& exchange) const;

  const Service& service_;
  OpenAiAudio audio_;
  Responses responses_;
  Realtime realtime_;
};

}  // namespace gemma3n::server
