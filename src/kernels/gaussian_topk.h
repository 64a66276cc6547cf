// SPDX-License-Identifier: Apache-2.0
// The Gaussian top-k of Gemma 3n's sparse layers (Gemma3nTextMLP._gaussian_topk): keeps what lies
// more than `multiplier` standard deviations above the mean of a row, measured from that cutoff.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gemma3n::kernels {

// y = max(0, x - (mean + multiplier * standard deviation)), with the population's deviation
// (divided by n). n >= 1; y may be x. NaN in x makes all of y NaN.
void GaussianTopK(const float* x, float multiplier, size_t n, float* y);

// The indices of the entries that are not 0, ascending; returns their count. `indices` has room
// for n.
size_t NonZeroIndices(const float* x, size_t n, int32_t* indices);

}  // namespace gemma3n::kernels
