// SPDX-License-Identifier: Apache-2.0
#include "engine/first_token.h"

#include "base/check.h"

namespace gemma3n {
namespace {

constexpr double kLate = 1.05;     // of the wanted time: less is no reason to begin again
constexpr double kClearly = 0.85;  // of the time that going on would take

}  // namespace

int FirstToken::Begin(double elapsed, const std::vector<int64_t>& positions) const {
  CHECK_EQ(positions.size(), costs_.size());
  if (seconds_per_cost_ <= 0) return 0;
  int quickest = 0;
  for (int rung = 0; rung < static_cast<int>(costs_.size()); ++rung) {
    const double expected = Expected(rung, positions[static_cast<size_t>(rung)]);
    if (elapsed + expected <= wanted_seconds_) return rung;
    if (expected < Expected(quickest, positions[static_cast<size_t>(quickest)])) quickest = rung;
  }
  return quickest;
}

std::optional<int> FirstToken::After(int rung, int64_t read, double seconds, double elapsed,
                                     int64_t left, const std::vector<int64_t>& positions) {
  if (read <= 0) return std::nullopt;
  if (read >= kTelling || seconds_per_cost_ <= 0) {
    seconds_per_cost_ = seconds / (static_cast<double>(read) * costs_[static_cast<size_t>(rung)]);
  }
  const double going_on = Expected(rung, left);
  if (left == 0 || elapsed + going_on <= kLate * wanted_seconds_) return std::nullopt;
  const int other = Begin(elapsed, positions);
  if (other <= rung) return std::nullopt;
  if (Expected(other, positions[static_cast<size_t>(other)]) > kClearly * going_on) {
    return std::nullopt;
  }
  return other;
}

}  // namespace gemma3n
