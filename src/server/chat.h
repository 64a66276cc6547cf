// SPDX-License-Identifier: Apache-2.0
// What all dialects stand on: the model under its names, the ones who work, and the way from a
// request to its answers, whatever it was written in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/engine.h"
#include "gemma3n/server.h"
#include "server/file_store.h"
#include "server/http.h"
#include "server/media_reader.h"
#include "server/model_card.h"
#include "server/spool.h"
#include "server/worker.h"

namespace gemma3n::server {

class Access;

struct Service {
  Engine& engine;
  Worker& worker;
  MediaReader& media;
  const ServerOptions& options;
  int64_t context;     // of a session
  int64_t created_at;  // seconds since 1970
  Access& access;      // for keys that are given out
  const ServerReach& reach;
  std::shared_ptr<DiskBudget> disk;  // of uploads and files
  FileStore& files;
  std::shared_ptr<const ModelCard> card = nullptr;  // what listings tell
  MediaReader::GoesOn client_waits = nullptr;       // asked while the media of a request are read

  // The same for a request whose client may leave.
  Service For(const Exchange& exchange) const;

  // Throws Refusal (kModelNotFound) for a name that is neither the model's nor an alias, with its
  // tag or without: who lists models in one dialect may ask them in another.
  void CheckModel(const std::string& name) const;
  std::vector<std::string> ModelNames() const;
};

// As Ollama's listings have it: "nano" -> "nano:latest"; what has a tag stays as it is.
std::string WithTag(const std::string& name);

// The bytes that a token stands for, which may be a part of a character.
std::string TokenBytes(const Engine& engine, int32_t id);

// Goes through the events of a request until all `choices` have ended, the client leaves or
// `on_event` returns false; returns whether it went to the end. `on_silence` is
// called, where nothing has come for so long. Throws what the request failed with, as Refusal.
struct Following {
  size_t choices = 1;
  std::function<bool(AnswerEvent&)> on_event;
  std::chrono::milliseconds silence = std::chrono::seconds(15);
  std::function<bool()> on_silence = nullptr;
};
bool Follow(Answering& answering, const Exchange& exchange, const Following& following);

// All answers of a request; empty when the client left.
std::vector<GenerateResult> Collect(Answering& answering, const Exchange& exchange, size_t choices);

}  // namespace gemma3n::server
