// SPDX-License-Identifier: Apache-2.0
// The integer kernels of AVX-VNNI in the encoding of AVX-512: never the best, but they let machines
// without AVX-VNNI test what int_dot_avxvnni.cc compiles.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_X86_64
#include <immintrin.h>

#include <cstring>
#include <utility>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("avx512f,avx512vl,avx512vnni,avx2,fma")

namespace gemma3n::kernels {
namespace {

// An instruction of its own: GCC 12 copies the sum before and after its intrinsic.
HWY_INLINE void Dot(__m256i& sum, __m256i w, __m256i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
}

}  // namespace
}  // namespace gemma3n::kernels

#include "kernels/int_dot_vnni256.h"

HWY_POP_ATTRIBUTES

namespace gemma3n::kernels {

const IntKernels* Avx512VlIntKernels() {
  const IntKernels* avx2 = Avx2IntKernels();
  const bool usable = avx2 != nullptr && IsAllowed("avx512") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  if (!usable) return nullptr;
  static const IntKernels kKernels = WithVnni(*avx2, "avx512vl");
  return &kKernels;
}

}  // namespace gemma3n::kernels

#else

namespace gemma3n::kernels {
const IntKernels* Avx512VlIntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
