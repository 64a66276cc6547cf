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
// The same from the environment variable GEMMA3N_ISA, when it is set.
void ForceIsaFromEnvironment();

}  // namespace gemma3n::kernels
