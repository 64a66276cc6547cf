// SPDX-License-Identifier: Apache-2.0
// A look at some of the weights while loading: damaged files show NaN or infinities, which would
// only come out as a wrong answer. To read all of them is for `gemma3n inspect --check`.
#pragma once

#include "checkpoint/checkpoint.h"

namespace gemma3n {

// Small tensors whole, of large ones the beginning, the middle and the end: a few pages each.
// Throws Error (kModel) naming file, tensor, element and what was found.
void CheckSampleIsFinite(const Checkpoint& checkpoint);

}  // namespace gemma3n
