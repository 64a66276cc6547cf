// SPDX-License-Identifier: Apache-2.0
// Quantize (gemma3n/convert.h), where GGUF is wanted.
#pragma once

#include "checkpoint/checkpoint.h"
#include "gemma3n/convert.h"

namespace gemma3n {

bool QuantizeToGguf(const QuantizeOptions& options, const Checkpoint& checkpoint,
                    const ProgressCallback& on_progress);

}  // namespace gemma3n
