// SPDX-License-Identifier: Apache-2.0
// What `Inspect` says of a checkpoint that is open already.
#pragma once

#include "checkpoint/checkpoint.h"
#include "gemma3n/inspect.h"

namespace gemma3n {

// From the headers alone. Throws Error (kModel) as Inspect does.
ModelReport ReportOn(const Checkpoint& checkpoint);

}  // namespace gemma3n
