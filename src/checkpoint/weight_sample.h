// SPDX-License-Identifier: Apache-2.0
// A look at some of the weights while loading: damaged files show NaN or infinities, which would
// only come out as a wrong answer. To read all of them is for `gemma3n inspect --check`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "checkpoint/checkpoint.h"

namespace gemma3n {

// Small tensors whole, of large ones the beginning, the middle and the end: a few pages each.
// `rows_read` says how many of a tensor's rows (of the view that Find gives) will be read: only
// they are looked at. Throws Error (kModel) naming file, tensor, element and what was found.
void CheckSampleIsFinite(const Checkpoint& checkpoint,
                         const std::function<int64_t(const std::string& name)>& rows_read);

}  // namespace gemma3n
