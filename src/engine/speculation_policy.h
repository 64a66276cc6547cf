// SPDX-License-Identifier: Apache-2.0
// When to guess ahead, how, and how far: by what each way has cost so far.
#pragma once

#include <array>
#include <cstdint>

#include "gemma3n/content.h"

namespace gemma3n {

class SpeculationPolicy {
 public:
  enum Way { kPlain, kLookup, kDraft };
  static constexpr int64_t kMostGuesses =
      5;  // with the token before them, what kernels take at once

  explicit SpeculationPolicy(Speculation speculation) : speculation_(speculation) {}

  // How the next tokens are found; `repeats`: whether the text has a place to look up.
  Way Choose(bool repeats);
  // How many tokens to guess.
  int64_t Length(Way way) const { return ways_[way].length; }
  // What a round gave: `tokens` >= 1, of which all but the last were guesses that held (of drafts
  // the last one may be one, too), of `guessed`.
  void Record(Way way, int64_t tokens, int64_t guessed, double seconds);

 private:
  struct Experience {
    double seconds_per_token = 0;  // of late
    int64_t rounds = 0;
    int64_t length = 3;
    int64_t rests_until = 0, rest = 16;  // in tokens of the answer
  };
  bool Pays(Way way) const;

  Speculation speculation_;
  std::array<Experience, 3> ways_;
  int64_t tokens_ = 0;
};

}  // namespace gemma3n
