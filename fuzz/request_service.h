// SPDX-License-Identifier: Apache-2.0
// What requests of all dialects are read against: the embedded model.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "gemma3n/engine.h"
#include "server/access.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/refusal.h"

namespace gemma3n::server {

inline const Service& RequestService() {
  static const std::shared_ptr<Engine> engine =
      Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano", .threads = 1});
  static Worker worker(engine, {.context = 512, .sessions = 1});
  static MediaReader media(engine->facts(), ServerLimits{});
  static const ServerOptions options{.model = GEMMA3N_SOURCE_DIR "/models/nano",
                                     .model_name = "nano",
                                     .allow_model_management = true};
  static Access access(options, /*loopback_only=*/true);
  static const ServerReach reach;
  static const auto disk = std::make_shared<DiskBudget>(1 << 20);
  static FileStore files({.bytes = 1 << 19, .files = 16, .seconds = 1});
  static const auto card = std::make_shared<const ModelCard>(CardOf(options));
  static const Service service{*engine, worker, media, options, worker.context(), 0, access,
                               reach,   disk,   files, card};
  return service;
}

// Nothing but a Refusal may come of a request.
template <class Read>
int FuzzRequest(const uint8_t* data, size_t size, const Read& read) {
  try {
    const Json body = ParseJson({reinterpret_cast<const char*>(data), size});
    read(Field(body, ""));
  } catch (const Refusal&) {
  }
  return 0;
}

}  // namespace gemma3n::server
