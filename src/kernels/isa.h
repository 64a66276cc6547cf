// SPDX-License-Identifier: Apache-2.0
// What this processor can do, and how to ask for less of it.
#pragma once

#include <string>
#include <vector>

namespace gemma3n::kernels {

// The instruction set that the float kernels run on: "avx512", "avx2", "sse4", "neon" or "scalar".
std::string ActiveIsa();
// Those that this processor has and this build contains, best first.
std::vector<std::string> AvailableIsas();

// Restricts the kernels to `name` and what lies below it. Meant for the start of the process and
// for tests; not while kernels run. Throws Error (kUsage) for a name that is not available.
void ForceIsa(const std::string& name);
// Takes the restriction back.
void AllowEveryIsa();
// ForceIsa of what the environment variable GEMMA3N_ISA names, when it is set.
void ForceIsaFromEnvironment();

// Whether kernels of this instruction set may run: processor and build have it, ForceIsa allows it.
bool IsAllowed(const std::string& name);
// How often ForceIsa was called: what was chosen before its last call may no longer be allowed.
int IsaChanges();

}  // namespace gemma3n::kernels
