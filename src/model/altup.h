// SPDX-License-Identifier: Apache-2.0
// AltUp, alternating updates (arXiv 2301.13310; Gemma3nTextAltUp): the hidden state is several
// streams wide, each layer works on the first one only, and a small router says how the others
// follow.
//
// The reference's clip of the coefficients (altup_coef_clip) acts while training only.
#pragma once

#include <vector>

#include "model/chunk.h"
#include "tensor/tensor.h"

namespace gemma3n {

struct AltUpWeights {
  std::vector<float> router_norm;           // [hidden]
  std::vector<float> modality_router;       // [streams, hidden]
  std::vector<float> prediction_coefs;      // [streams * streams, streams]
  std::vector<float> correction_coefs;      // [streams, streams]
  std::vector<float> correct_output_scale;  // [hidden]; empty when the model has none
};

// Stream k of row r is hidden floats at data + k * stream_stride + r * hidden.
struct Streams {
  float* data;
  int64_t count;
  int64_t hidden;
  int64_t stream_stride;
  float* row(int64_t stream, int64_t r) const { return data + stream * stream_stride + r * hidden; }
};

// Shows the observer "stream_0", "stream_1", ...
void ObserveStreams(const Streams& streams, const Chunk& chunk);

// Streams 1.. from stream 0, by one projection [hidden, hidden] each, scaled to its magnitude.
void ExpandStreams(const std::vector<TensorView>& projections, const Streams& h,
                   const Chunk& chunk);
// merged [rows, hidden] = the mean of stream 0 and the other streams' projections, each scaled to
// the magnitude of stream 0. `scratch` is as large as merged.
void MergeStreams(const std::vector<TensorView>& unembed_projections, const Streams& h,
                  const Chunk& chunk, float* scratch, float* merged);

// Routing scratch: streams * (streams + 1) floats for each row.
inline int64_t AltUpScratchFloats(int64_t streams) {
  return streams * (streams + 1);
}

// predicted_i = h_i + sum over j of c_ij h_j, with coefficients c from the router on h_0; for the
// first `wanted` streams i.
struct AltUpPrediction {
  const Streams& h;
  const Streams& predicted;
  int64_t wanted;
};
void Predict(const AltUpWeights& weights, float eps, const AltUpPrediction& streams,
             const Chunk& chunk, float* scratch);

// h_i = predicted_i + g_i (activated - predicted_0), with g = 1 + coefficients from the router on
// activated [rows, hidden]. Leaves g in the first `streams` floats of each row of scratch.
struct AltUpCorrection {
  const Streams& predicted;
  const float* activated;
  const Streams& h;
};
void Correct(const AltUpWeights& weights, float eps, const AltUpCorrection& streams,
             const Chunk& chunk, float* scratch);

}  // namespace gemma3n
