// SPDX-License-Identifier: Apache-2.0
// Google's dialect, of its GenAI clients. docs/server-genai.md says what is honoured.
#pragma once

#include <string>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/genai/files.h"

namespace gemma3n::server {

class GenAi : public Dialect {
 public:
  explicit GenAi(const Service& service) : service_(service), files_(service) {}

  std::vector<Route> Routes() override;
  bool Speaks(const Request& request) const override;
  Response Refused(const Refusal& refusal) const override;

 private:
  void AddModelRoutes(const std::string& models, std::vector<Route>& routes);
  void Generate(const Request& request, const std::string& model, Exchange& exchange) const;
  void Stream(const Request& request, const std::string& model, Exchange& exchange) const;
  void Embed(const Request& request, const std::string& model, Exchange& exchange) const;
  void EmbedAll(const Request& request, const std::string& model, Exchange& exchange) const;
  void CountTokens(const Request& request, const std::string& model, Exchange& exchange) const;

  const Service& service_;
  GenAiFiles files_;
};

}  // namespace gemma3n::server
