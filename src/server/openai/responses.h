// SPDX-License-Identifier: Apache-2.0
// OpenAI's Responses: answers that are kept for a while and can be gone on from.
#pragma once

#include <vector>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/openai/response_store.h"

namespace gemma3n::server {

class Responses {
 public:
  explicit Responses(const Service& service) : service_(service) {}
  std::vector<Route> Routes();

 private:
  void Create(const Request& request, Exchange& exchange);
  void Cancel(const Request& request, const std::string& id, Exchange& exchange);
  void List(const Request& request, const std::string& id, Exchange& exchange);
  std::shared_ptr<const KeptResponse> Find(const Request& request, const std::string& id);

  const Service& service_;
  ResponseStore store_;
};

}  // namespace gemma3n::server
