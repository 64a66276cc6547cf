// SPDX-License-Identifier: Apache-2.0
// Which matrices gain most by 8 bits instead of 4, measured: each in turn takes 4 bits while all
// others stay as they are stored, and the model's predictions are compared.
#pragma once

#include <optional>

#include "checkpoint/checkpoint.h"
#include "convert/moments.h"
#include "convert/recipe.h"
#include "gemma3n/content.h"

namespace gemma3n {

// The recipe q4, with 8 bits for more of its matrices: those with the largest divergence (mean, of
// the scored positions of `text`) for each byte that 8 bits take more, as long as the mean over all
// of the decoder's quantized matrices is at most `bits` for each weight. The per-layer table keeps
// 4. Nothing when the callback cancelled. Throws Error (kUsage) where q4 takes more than `bits`.
std::optional<Recipe> ChooseBits(const Checkpoint& checkpoint, const CalibrationText& text,
                                 double bits, const ProgressCallback& on_progress);

}  // namespace gemma3n
