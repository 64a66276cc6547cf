// SPDX-License-Identifier: Apache-2.0
// The integer kernels for AVX2 with AVX-VNNI, as processors without AVX-512 have it.
#include <hwy/base.h>

#include "kernels/int_dot_tables.h"
#include "kernels/isa.h"

#if HWY_ARCH_X86_64
#include <cpuid.h>
#include <immintrin.h>

#include <cstring>
#include <utility>

// From here on only, so that no inline function of a header is compiled for it.
HWY_PUSH_ATTRIBUTES("avx2,fma")

namespace gemma3n::kernels {
namespace {

// An instruction of its own, since GCC 12 copies the sum before and after its intrinsic; in braces
// that are the assembler's, the encoding.
HWY_INLINE void Dot(__m256i& sum, __m256i w, __m256i x) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(x));
}

}  // namespace
}  // namespace gemma3n::kernels

#include "kernels/int_dot_vnni256.h"

HWY_POP_ATTRIBUTES

namespace gemma3n::kernels {
namespace {

// Leaf 7, subleaf 1, bit 4 of EAX; Clang 14 knows no name for it.
bool HasAvxVnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}

}  // namespace

const IntKernels* AvxVnniIntKernels() {
  const IntKernels* avx2 = Avx2IntKernels();
  if (avx2 == nullptr || !HasAvxVnni()) return nullptr;
  static const IntKernels kKernels = WithVnni(*avx2, "avxvnni");
  return &kKernels;
}

}  // namespace gemma3n::kernels

#else

namespace gemma3n::kernels {
const IntKernels* AvxVnniIntKernels() {
  return nullptr;
}
}  // namespace gemma3n::kernels

#endif
