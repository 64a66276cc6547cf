// SPDX-License-Identifier: Apache-2.0
// Responses that may be asked for again or gone on from: in memory, the last ones of each key, for
// an hour.
#pragma once

#include <chrono>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/messages.h"
#include "server/worker.h"

namespace gemma3n::server {

// What was handed in or answered, as JSON.
struct ResponseItem {
  std::string id;
  std::string json;
};

struct KeptResponse {
  std::string json;                      // the response
  std::vector<ResponseItem> input = {};  // in the order they came
  std::vector<ResponseItem> output = {};
  Dialogue dialogue = {};  // the answer included
};

struct ResponseStoreLimits {
  size_t responses = 64;      // of one key
  size_t bytes = 256u << 20;  // of all, pictures and sound included
  std::chrono::seconds life = std::chrono::hours(1);
};

// Safe to use from several threads. An owner sees only what is its own.
class ResponseStore {
 public:
  using Clock = std::chrono::steady_clock;
  explicit ResponseStore(const ResponseStoreLimits& limits = {}) : limits_(limits) {}

  void Keep(const std::string& owner, const std::string& id, KeptResponse response,
            Clock::time_point now = Clock::now());
  // Null where there is none, or none any more.
  std::shared_ptr<const KeptResponse> Find(const std::string& owner, const std::string& id,
                                           Clock::time_point now = Clock::now());
  bool Forget(const std::string& owner, const std::string& id);
  // The JSON of an item of any of them.
  std::optional<std::string> FindItem(const std::string& owner, const std::string& id);

  // One that is being written: `json` is what it is until it ends.
  void Begin(const std::string& owner, const std::string& id, std::string json,
             std::weak_ptr<Answering> answering);
  void End(const std::string& id);
  // What Begin was told. The answer ends where it has got to.
  std::optional<std::string> Cancel(const std::string& owner, const std::string& id);

 private:
  struct Entry {
    std::string owner, id;
    std::shared_ptr<const KeptResponse> response;
    size_t bytes;
    Clock::time_point until;
  };
  struct Running {
    std::string owner, json;
    std::weak_ptr<Answering> answering;
  };
  void DropOld(Clock::time_point now);

  const ResponseStoreLimits limits_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the latest first
  size_t bytes_ = 0;
  std::map<std::string, Running> running_;
};

}  // namespace gemma3n::server
