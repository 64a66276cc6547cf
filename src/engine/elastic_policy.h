// SPDX-License-Identifier: Apache-2.0
// Which rung of a ladder of sizes the next token is computed with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/system_state.h"

namespace gemma3n {

class ElasticPolicy {
 public:
  struct Target {
    double tokens_per_second = 0, watts = 0;  // 0: no wish
  };
  // `costs`: what a token costs on each rung, the dearest first, in any unit. `rung`: where the
  // answer begins.
  ElasticPolicy(const Target& target, std::vector<double> costs, int rung = 0);

  // What Next said was not done: the answer stays at this rung.
  void StayAt(int rung) { rung_ = rung; }
  // Memory holds no rung above this one.
  void LimitForMemory(int rung) { memory_rung_ = rung; }

  // After a token that took `seconds` on the rung: the rung for the next one.
  int Next(double seconds, const SystemState& system);
  int rung() const { return rung_; }
  double tokens_per_second() const { return 1 / (slowness_ * costs_[rung_]); }
  const std::string& why() const { return why_; }  // of the last change

 private:
  int WantedForSpeed() const;
  void LimitBySystem(const SystemState& system);
  int MoveTo(int rung, std::string why);
  // No rung above it is taken.
  int Ceiling() const { return std::max(ceiling_, memory_rung_); }

  Target target_;
  std::vector<double> costs_;
  int rung_, memory_rung_ = 0;
  int ceiling_ = 0;      // while the system is strained
  double slowness_ = 0;  // seconds for a unit of cost, of late
  int64_t tokens_ = 0, too_slow_ = 0, fast_enough_ = 0, last_limit_ = 0;
  std::string why_;
};

}  // namespace gemma3n
