// SPDX-License-Identifier: Apache-2.0
// The integer kernels of each instruction set; null where this build or processor has it not, or
// ForceIsa forbids it.
#pragma once

#include "kernels/int_dot.h"

namespace gemma3n::kernels {

const IntKernels* Avx512IntKernels();
const IntKernels* Avx2IntKernels();
const IntKernels* NeonIntKernels();
const IntKernels& PlainIntKernels();

}  // namespace gemma3n::kernels
