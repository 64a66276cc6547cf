// SPDX-License-Identifier: Apache-2.0
// The grammar of tool calls: [{"name": "get_time", "parameters": {...}}, ...].
#pragma once

#include <string>
#include <vector>

#include "constraint/automaton.h"

namespace gemma3n {

// Throws Error (kRequest).
Automaton CompileToolCalls(const std::vector<CallableTool>& tools, const ToolCallOptions& options,
                           const ConstraintLimits& limits);

}  // namespace gemma3n
