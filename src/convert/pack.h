// SPDX-License-Identifier: Apache-2.0
// What stands behind Quantize: a checkpoint that is open already, and calibration text as the
// decoder reads it.
#pragma once

#include "checkpoint/checkpoint.h"
#include "convert/moments.h"
#include "gemma3n/convert.h"

namespace gemma3n {

// Everything that can be wrong with the options, before work begins. Throws Error (kUsage).
void CheckOptions(const QuantizeOptions& options, const Checkpoint& checkpoint, bool with_text);

// `text` may be null; else it is read with this checkpoint's own weights. False when the callback
// cancelled.
bool Pack(const QuantizeOptions& options, const Checkpoint& checkpoint, const CalibrationText* text,
          const ProgressCallback& on_progress);

}  // namespace gemma3n
