// SPDX-License-Identifier: Apache-2.0
// The sizes that an elastic answer moves along.
#pragma once

#include <vector>

#include "engine/loaded_model.h"
#include "gemma3n/size.h"

namespace gemma3n {

// What Engine::Ladder promises.
std::vector<ModelSize> LadderBelow(const LoadedModel& model, const ModelSize& size);

// The rungs of `ladder`, or of LadderBelow, that an answer at `size` may take; `size` comes first.
// Throws Error (kUsage) for a size that the model cannot be cut to.
std::vector<ModelSize> UsableRungs(const LoadedModel& model, const ModelSize& size,
                                   const std::vector<ModelSize>& ladder, bool keep_cache);

}  // namespace gemma3n
