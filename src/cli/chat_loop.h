// SPDX-License-Identifier: Apache-2.0
// The interactive conversation.
#pragma once

#include "cli/options.h"

namespace gemma3n::cli {

// Reads lines until /bye or the end of input; returns the exit code.
int ChatLoop(const ModelArgs& model, const OutputArgs& output, const GenerateArgs& generate,
             const MediaArgs& media);

}  // namespace gemma3n::cli
