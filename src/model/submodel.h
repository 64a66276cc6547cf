// SPDX-License-Identifier: Apache-2.0
// Which layers of a model a pass walks through. Weights, caches and per-layer embeddings keep the
// full model's layer numbers, so leaving layers out moves nothing.
#pragma once

#include <vector>

#include "model/config.h"

namespace gemma3n {

struct Submodel {
  std::vector<int> layers;  // ascending, the full model's numbers
  // The last kept layer that writes keys and values: above it, positions do not meet any more.
  int last_key_value_layer;

  // All layers.
  static Submodel Full(const TextConfig& config);
};

}  // namespace gemma3n
