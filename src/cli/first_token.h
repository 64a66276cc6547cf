// SPDX-License-Identifier: Apache-2.0
// How long this program takes from its start to the first token of an answer.
#pragma once

#include <optional>
#include <string>

#include "gemma3n/benchmark.h"

namespace gemma3n::cli {

struct StartSettings {
  std::string model;
  int threads;
  int64_t context;
  std::string kv;
  bool resident;
  const std::string& size;  // empty: all
};

// Starts this program anew with `run` on a raw prompt, as many times as asked, and ends it when its
// answer of one token has come, which is one step after that token was known. nullopt when
// interrupted. Throws Error (kInternal, kResources) when it gives none.
std::optional<Measurement> TimeToFirstToken(const StartSettings& settings,
                                            const std::string& prompt, int repetitions,
                                            const ProgressCallback& on_progress);

}  // namespace gemma3n::cli
