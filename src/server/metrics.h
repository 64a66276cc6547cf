// SPDX-License-Identifier: Apache-2.0
// What whoever watches the service asks: counts and times as Prometheus reads them, no contents.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "server/refusal.h"
#include "server/worker.h"

namespace gemma3n::server {

class Metrics {
 public:
  // `route`: one of ours, never the client's text. Status 0: the client left before an answer.
  void Count(const std::string& route, int status, double seconds);
  void CountRefusal(Reason reason);
  std::string Text(const WorkerCounts& worker, size_t connections, size_t websockets,
                   uint64_t body_bytes) const;

 private:
  struct Times {
    uint64_t count = 0;
    double seconds = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, Times> requests_;
  std::map<Reason, uint64_t> refusals_;
};

}  // namespace gemma3n::server
