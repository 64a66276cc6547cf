// SPDX-License-Identifier: Apache-2.0
// What the encoders do to single rows between their products, through Highway as in rows.h.
#pragma once

#include <cstddef>

namespace gemma3n::kernels {

// y = gelu(x / sqrt(mean(x^2) + eps) * weight), GELU in its tanh form: the bits of RmsNorm and then
// Gelu. y may be x.
void RmsNormGelu(const float* x, const float* weight, float eps, size_t n, float* y);

// y = sum of x[i] * w[i] over `taps` rows each of n, in order. y is none of x.
void SumOfProducts(const float* const* x, const float* const* w, size_t taps, size_t n, float* y);

// y = e^(factor * (x - max)), so that its largest is 1; n >= 1. y may be x.
void ExpBelowMax(const float* x, float factor, size_t n, float* y);

}  // namespace gemma3n::kernels
