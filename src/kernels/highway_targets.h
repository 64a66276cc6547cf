// SPDX-License-Identifier: Apache-2.0
// Which instruction sets the float kernels are compiled for. Include before any Highway header.
//
// x86-64: SSE4 (a slow way out for old machines), AVX2, AVX-512. Arm: NEON. Left out: SSSE3 (adds
// nothing), the finer AVX-512 steps (bits 3 to 6 in newer Highway; they bring nothing for float32),
// and SVE, whose registers have no size known while compiling.
#pragma once

#define HWY_DISABLED_TARGETS                                                               \
  (HWY_SSSE3 | HWY_AVX3_DL | (1LL << 3) | (1LL << 4) | (1LL << 5) | (1LL << 6) | HWY_SVE | \
   HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
