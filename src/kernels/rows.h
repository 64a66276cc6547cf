// SPDX-License-Identifier: Apache-2.0
// Arithmetic on single rows of floats through Highway: one thread, raw pointers, no alignment
// needed. The best instruction set of this processor is chosen at run time (see isa.h). Sums run in
// a fixed order that depends on n alone. Output may be an input unless said otherwise.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace gemma3n::kernels {

float SumOfSquares(const float* x, size_t n);
float Sum(const float* x, size_t n);
float MaxOf(const float* x, size_t n);  // n >= 1
float Dot(const float* a, const float* b, size_t n);

// y = x / sqrt(mean(x^2) + eps) * weight; weight may be null for ones.
void RmsNorm(const float* x, const float* weight, float eps, size_t n, float* y);

void Add(const float* a, const float* b, size_t n, float* y);         // y = a + b
void Multiply(const float* a, const float* b, size_t n, float* y);    // y = a * b
void Scale(const float* x, float factor, size_t n, float* y);         // y = factor * x
void AddScaled(const float* x, float factor, size_t n, float* y);     // y += factor * x
void AddProduct(const float* a, const float* b, size_t n, float* y);  // y += a * b

void Gelu(const float* x, size_t n,
          float* y);  // tanh form: 0.5 x (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)))
void Silu(const float* x, size_t n, float* y);     // x / (1 + e^-x)
void Sigmoid(const float* x, size_t n, float* y);  // 1 / (1 + e^-x)
void Tanh(const float* x, size_t n, float* y);
void SoftCap(const float* x, float cap, size_t n, float* y);  // cap * tanh(x / cap)

// y = e^(x - max) / sum of those, float32 throughout. n >= 1; -inf entries become 0.
void Softmax(const float* x, size_t n, float* y);

// Exact widening to float32.
void Widen(const Bf16* x, size_t n, float* y);
void Widen(const F16* x, size_t n, float* y);
void Widen(const float* x, size_t n, float* y);
// y = add + RmsNorm(x, weight, eps); y may be add or x.
void AddRmsNorm(const float* x, const float* weight, float eps, const float* add, size_t n,
                float* y);
// y = factor * ((a + b) + c); y may be any of them.
void ScaledSum(const float* a, const float* b, const float* c, float factor, size_t n, float* y);
// y = scale * x
void WidenBytes(const int8_t* x, float scale, size_t n, float* y);

}  // namespace gemma3n::kernels
