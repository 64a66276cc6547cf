// SPDX-License-Identifier: Apache-2.0
// The sizes that an elastic answer moves along.
#pragma once

#include <vector>

#include "engine/loaded_model.h"
#include "gemma3n/size.h"

namespace gemma3n {

// What Engine::Ladder promises.
std::vector<ModelSize> LadderBelow(const LoadedModel& model, const ModelSize& size);

// `size`, then the rungs of `ladder`, or of LadderBelow where it is empty, each cheaper than the
// one before; others are left out. Throws Error (kUsage) for a size that the model cannot be cut
// to.
std::vector<ModelSize> RungsFrom(const LoadedModel& model, const ModelSize& size,
                                 const std::vector<ModelSize>& ladder);

}  // namespace gemma3n
