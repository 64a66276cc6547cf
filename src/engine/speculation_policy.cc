// SPDX-License-Identifier: Apache-2.0
#include "engine/speculation_policy.h"

#include <algorithm>

namespace gemma3n {
namespace {

constexpr int64_t kFirstPlain = 3;   // rounds that say what a token costs without guessing
constexpr int64_t kPlainEvery = 64;  // tokens after which that is measured again
constexpr int64_t kTrial = 3;        // rounds before a way is judged
constexpr int64_t kLongestRest = 512;

}  // namespace

bool SpeculationPolicy::Pays(Way way) const {
  const Experience& record = ways_[way];
  if (speculation_ != Speculation::kAuto) return true;
  return tokens_ >= record.rests_until;
}

SpeculationPolicy::Way SpeculationPolicy::Choose(bool repeats) {
  const bool automatic = speculation_ == Speculation::kAuto;
  if (speculation_ == Speculation::kOff) return kPlain;
  if (automatic && (ways_[kPlain].rounds < kFirstPlain || tokens_ >= ways_[kPlain].rests_until)) {
    return kPlain;
  }
  const bool looks_up = automatic || speculation_ == Speculation::kLookup;
  if (looks_up && repeats && Pays(kLookup)) return kLookup;
  const bool drafts = automatic || speculation_ == Speculation::kDraft;
  return drafts && Pays(kDraft) ? kDraft : kPlain;
}

void SpeculationPolicy::Record(Way way, int64_t tokens, int64_t guessed, double seconds) {
  Experience& record = ways_[way];
  tokens_ += tokens;
  // A mean over all rounds at first, then over about the last eight.
  const double weight = 1.0 / static_cast<double>(std::min<int64_t>(++record.rounds, 8));
  const double now = seconds / static_cast<double>(tokens);
  record.seconds_per_token += weight * (now - record.seconds_per_token);
  if (way == kPlain) {
    record.rests_until = tokens_ + kPlainEvery;
    return;
  }
  if (tokens > guessed || (way == kDraft && tokens == guessed)) {
    record.length = std::min(kMostGuesses, record.length + 1);
  } else if (tokens == 1) {
    record.length = std::max<int64_t>(1, record.length - 1);
  }
  if (record.rounds < kTrial) return;
  if (record.seconds_per_token <= ways_[kPlain].seconds_per_token) {
    record.rest = 16;
    return;
  }
  // It costs more than it brings: it rests, each time longer, and then is tried anew.
  record.rests_until = tokens_ + record.rest;
  record.rest = std::min(kLongestRest, 2 * record.rest);
  record.rounds = 0;
}

}  // namespace gemma3n
