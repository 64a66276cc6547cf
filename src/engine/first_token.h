// SPDX-License-Identifier: Apache-2.0
// Which rung of a ladder reads a prompt, so that the first token comes in time.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gemma3n {

class FirstToken {
 public:
  static constexpr int64_t kTelling = 64;  // positions: fewer take longer each

  // `costs`: of a position that is read, each rung, in any unit. `seconds_per_cost`: what reading
  // took before; 0: not known.
  FirstToken(double wanted_seconds, std::vector<double> costs, double seconds_per_cost)
      : wanted_seconds_(wanted_seconds),
        costs_(std::move(costs)),
        seconds_per_cost_(seconds_per_cost) {}

  // The best rung that is expected to read its `positions` ([rungs]: what it would have to read) in
  // time, if the request came `elapsed` seconds ago; the quickest one if none is; rung 0 where
  // nothing is known.
  int Begin(double elapsed, const std::vector<int64_t>& positions) const;

  // After `read` positions took `seconds` on `rung`: a later rung that should rather read its
  // `positions` from the start. Nothing where `rung`, which has `left` positions to go, will be in
  // time, or no other is clearly sooner.
  std::optional<int> After(int rung, int64_t read, double seconds, double elapsed, int64_t left,
                           const std::vector<int64_t>& positions);

  double seconds_per_cost() const { return seconds_per_cost_; }

 private:
  double Expected(int rung, int64_t positions) const {
    return static_cast<double>(positions) * costs_[static_cast<size_t>(rung)] * seconds_per_cost_;
  }

  double wanted_seconds_;
  std::vector<double> costs_;
  double seconds_per_cost_;
};

}  // namespace gemma3n
