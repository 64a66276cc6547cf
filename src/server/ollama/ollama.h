// SPDX-License-Identifier: Apache-2.0
// Ollama's dialect. docs/server-ollama.md says what is honoured.
#pragma once

#include "server/chat.h"
#include "server/dialect.h"
#include "server/ollama/names.h"
#include "server/ollama/request.h"

namespace gemma3n::server {

class Ollama : public Dialect {
 public:
  // Throws what OllamaNames throws.
  explicit Ollama(const Service& service) : service_(service), names_(service) {}

  std::vector<Route> Routes() override;
  bool Speaks(const Request& request) const override;
  Response Refused(const Refusal& refusal) const override;

 private:
  std::vector<Route> Answers();
  std::vector<Route> Listings();
  std::vector<Route> Management();
  void Answer(OllamaKind kind, const Request& request, Exchange& exchange) const;
  void Show(const Request& request, Exchange& exchange) const;
  void Create(const Request& request, Exchange& exchange);
  void CheckMayManage(const Request& request) const;

  const Service& service_;
  OllamaNames names_;
};

}  // namespace gemma3n::server
