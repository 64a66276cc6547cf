// SPDX-License-Identifier: Apache-2.0
#include "engine/elastic_policy.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace gemma3n {
namespace {

constexpr double kOfLate = 0.4;      // weight of the last token in the mean
constexpr int64_t kDownAfter = 2;    // tokens in a row that were too slow
constexpr int64_t kUpAfter = 12;     // tokens in a row that the next rung up would have kept pace
constexpr double kUpMargin = 0.92;   // of the time that a token may take
constexpr int64_t kLimitEvery = 16;  // tokens between two steps for the system's sake

std::string Text(const char* format, double a, double b) {
  char text[80];
  std::snprintf(text, sizeof(text), format, a, b);
  return text;
}

}  // namespace

ElasticPolicy::ElasticPolicy(const Target& target, std::vector<double> costs, int rung)
    : target_(target), costs_(std::move(costs)), rung_(rung) {
  CHECK(0 <= rung && rung < static_cast<int>(costs_.size()));
}

int ElasticPolicy::MoveTo(int rung, std::string why) {
  rung_ = rung;
  why_ = std::move(why);
  too_slow_ = fast_enough_ = 0;
  return rung_;
}

// The best rung that keeps the pace at the speed of late; the last one if none does.
int ElasticPolicy::WantedForSpeed() const {
  int rung = rung_;
  while (rung + 1 < static_cast<int>(costs_.size()) &&
         slowness_ * costs_[rung] * target_.tokens_per_second > 1) {
    ++rung;
  }
  return rung;
}

// A step down while the system is strained, a step up again when it no longer is.
void ElasticPolicy::LimitBySystem(const SystemState& system) {
  if (tokens_ - last_limit_ < kLimitEvery && last_limit_ > 0) return;
  const bool too_much_power = target_.watts > 0 && system.watts > target_.watts;
  const bool strained = system.memory_short || system.hot || system.battery_low || too_much_power;
  const bool calm = !strained && (target_.watts <= 0 || system.watts < 0.85 * target_.watts);
  const int last = static_cast<int>(costs_.size()) - 1;
  if (strained && ceiling_ < last) {
    ceiling_ = std::min(last, std::max(ceiling_, rung_) + 1);
    last_limit_ = tokens_;
  } else if (calm && ceiling_ > 0) {
    --ceiling_;
    last_limit_ = tokens_;
  }
}

int ElasticPolicy::Next(double seconds, const SystemState& system) {
  const double now = seconds / costs_[rung_];
  slowness_ = ++tokens_ == 1 ? now : slowness_ + kOfLate * (now - slowness_);
  LimitBySystem(system);
  const int ceiling = Ceiling();
  if (rung_ < ceiling) {
    return MoveTo(ceiling, ceiling > ceiling_ ? "more memory than wanted" : system.Strain());
  }
  if (target_.tokens_per_second <= 0) {
    return rung_ > ceiling ? MoveTo(ceiling, "nothing asks for a smaller size any more") : rung_;
  }
  const double wanted = target_.tokens_per_second;
  too_slow_ = seconds * wanted > 1 && tokens_per_second() < wanted ? too_slow_ + 1 : 0;
  if (too_slow_ >= kDownAfter && WantedForSpeed() > rung_) {
    const std::string why = Text("%.1f tokens/s, %.1f wanted", tokens_per_second(), wanted);
    return MoveTo(WantedForSpeed(), why);
  }
  if (rung_ == ceiling) return rung_;
  const double above = slowness_ * costs_[rung_ - 1] * wanted;  // of the time that it may take
  fast_enough_ = above < kUpMargin ? fast_enough_ + 1 : 0;
  if (fast_enough_ < kUpAfter) return rung_;
  return MoveTo(rung_ - 1,
                Text("%.1f tokens/s, more than the %.1f wanted", tokens_per_second(), wanted));
}

}  // namespace gemma3n
