// SPDX-License-Identifier: Apache-2.0
// Moving along a ladder of sizes, so that an answer comes in time, keeps its pace and stays within
// memory on a machine whose speed changes. docs/matformer.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gemma3n/size.h"

namespace gemma3n {

// A size was left for another.
struct SizeSwitch {
  int64_t token;  // of the answer, before which it happened; 0: before its first, while reading
  std::string from, to;
  std::string why;           // "12.3 tokens/s, 16.0 wanted"
  double tokens_per_second;  // of late, before the switch; 0: of none yet
};

struct ElasticOptions {
  // What is to be kept; 0: no such wish. At least one is set, or reacts_to_system.
  double tokens_per_second = 0;
  double watts = 0;                // of the processor, where the system tells (RAPL)
  double first_token_seconds = 0;  // from the request to the first token
  // Of this process, resident: weights that a size does not read count as long as the system keeps
  // them mapped; they are given back when the answer moves down for memory's sake.
  int64_t memory_bytes = 0;
  // Move down while memory is short (PSI), the machine too hot or its battery low, where the system
  // tells.
  bool reacts_to_system = true;
  // Best first. Empty: Engine::Ladder of the answer's size.
  std::vector<ModelSize> ladder;
};

}  // namespace gemma3n
