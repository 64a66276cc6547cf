// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalization (Gemma3nRMSNorm): y = x / sqrt(mean(x^2) + eps) * weight, per row.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "ops/linear.h"

namespace gemma3n::ops {

// x [rows, dim] -> y [rows, dim], dim = weight.size(); y may be x.
void RmsNorm(ConstRows x, std::span<const float> weight, float eps, MutableRows y,
             ThreadPool& pool);
// The same without a weight.
void RmsNorm(ConstRows x, int64_t dim, float eps, MutableRows y, ThreadPool& pool);

}  // namespace gemma3n::ops
