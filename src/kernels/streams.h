// SPDX-License-Identifier: Apache-2.0
// The steps of AltUp (model/altup.h) on the streams of one position, each in one pass over them.
#pragma once

#include <cstddef>

namespace gemma3n::kernels {

// `count` streams of n floats, `stride` floats apart.
struct StreamRows {
  float* data;
  size_t count, stride;
};

// y_i = x_i + sum over j, in order, of coefs[i * x.count + j] * x_j, for the streams of y, of which
// there may be fewer. y must not overlap x.
void MixStreams(const StreamRows& x, const float* coefs, size_t n, const StreamRows& y);

// y_i = x_i + gains[i] * (activated - x_0). y must not overlap x.
void SpreadInnovation(const StreamRows& x, const float* activated, const float* gains, size_t n,
                      const StreamRows& y);

}  // namespace gemma3n::kernels
