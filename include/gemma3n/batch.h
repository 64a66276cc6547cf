// SPDX-License-Identifier: Apache-2.0
// Several conversations answered at once. A step of a lone answer waits for the weights to come
// from memory; answers that step together read them once for all. Each has the tokens, texts and
// log-probabilities that its session's Generate would give alone.
//
//   auto batch = Batch::New();
//   batch->Add(*session, {.turns = turns, .on_done = keep});  // and others, also later
//   while (batch->Advance()) {
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "gemma3n/content.h"
#include "gemma3n/engine.h"

namespace gemma3n {

struct BatchOptions {
  // At most so many positions of a prompt are read between two steps of the answers under way, so
  // that these go on, and fewer, down to 16, where they would take longer than that, as the last
  // ones did; 0: all prompts are read before answers go on, which takes least time in all.
  int64_t reading_positions = 64;
  double reading_seconds = 0.2;
};

struct BatchRequest {
  std::vector<Turn> turns;
  GenerateOptions options = {};
  std::string client = {};         // whose it is: prompts of several clients are read by turns
  TextCallback on_text = nullptr;  // as of Session::Generate
  ProgressCallback on_progress = nullptr;  // the same
  // Called once, from Advance, when the answer has ended. `error` is null, or what Generate would
  // have thrown, or a callback of this request has; `result` then holds what came before it.
  std::function<void(GenerateResult result, std::exception_ptr error)> on_done = nullptr;
};

// Not safe to use from two threads at once, nor beside other work of the engine at the same time.
class Batch {
 public:
  static std::unique_ptr<Batch> New(const BatchOptions& options = {});
  // Requests under way end untold; their sessions keep what was computed.
  virtual ~Batch() = default;

  // Begins a request; callbacks may, too. The session is of the same engine as the others and has
  // no request under way; it lives, and is left alone, until this one has ended. Answers at another
  // size than the others', elastic ones, those that are read again and those with speculation have
  // their steps to themselves; sessions that no engine of ours has made answer in one go. Throws
  // what Generate throws before anything is computed, and Error (kUsage) for a session that cannot
  // be taken.
  virtual void Add(Session& session, BatchRequest request) = 0;

  // Reads pictures and sound of one request or a piece of one prompt, and takes a step of every
  // answer under way. Returns whether requests are left. A request that fails ends alone.
  virtual bool Advance() = 0;

  virtual size_t size() const = 0;  // requests under way
};

}  // namespace gemma3n
