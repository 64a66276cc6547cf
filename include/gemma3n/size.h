// SPDX-License-Identifier: Apache-2.0
// Sizes of a model: Gemma 3n's checkpoints hold smaller models inside (MatFormer), which run from
// the same file. docs/matformer.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gemma3n {

// Which layers run, by the full model's numbers, and how many neurons the feed-forward part of each
// has. Engine::ParseSize makes it of what a user writes.
struct ModelSize {
  std::string name;  // "full", a published name, or what was written
  std::vector<int> layers;
  std::vector<int64_t> intermediate_size;  // of each of `layers`

  // The same weights are read; names do not matter.
  friend bool operator==(const ModelSize& a, const ModelSize& b) {
    return a.layers == b.layers && a.intermediate_size == b.intermediate_size;
  }
};

struct SizeFacts {
  // Without encoders and both embedding tables: what Google's names of sizes count.
  int64_t effective_parameters = 0;
  // What a token of an answer reads when every neuron of the sparse layers is active.
  int64_t weight_bytes_per_token = 0;
};

}  // namespace gemma3n
