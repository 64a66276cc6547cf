// SPDX-License-Identifier: Apache-2.0
// The integer kernels of each instruction set; null where this build or processor has it not, or
// ForceIsa forbids it.
#pragma once

#include "kernels/int_dot.h"

namespace gemma3n::kernels {

// Blocks whose numbers are all smaller become 0, and 127 divided by their largest stays finite.
constexpr float kSmallestOfABlock = 1e-30f;

const IntKernels* Avx512IntKernels();
const IntKernels* AvxVnniIntKernels();   // AVX2 with the 256-bit vpdpbusd
const IntKernels* Avx512VlIntKernels();  // the same, encoded as AVX-512's
const IntKernels* Avx2IntKernels();
const IntKernels* NeonIntKernels();      // with dot products
const IntKernels* NeonI8mmIntKernels();  // and with products of matrices
const IntKernels& PlainIntKernels();

}  // namespace gemma3n::kernels
