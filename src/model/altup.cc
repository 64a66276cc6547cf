// SPDX-License-Identifier: Apache-2.0
#include "model/altup.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/float_dot.h"
#include "kernels/rows.h"
#include "kernels/streams.h"

namespace gemma3n {
namespace {

constexpr float kSmallestMeanSquare = 1e-5f;  // of a projected stream, before it is divided by

float MeanSquare(const float* x, int64_t n) {
  return kernels::SumOfSquares(x, n) / static_cast<float>(n);
}

// Scales x to the magnitude (root of the mean square) `target`.
void MatchMagnitude(float target, int64_t n, float* x) {
  const float magnitude = std::sqrt(std::max(MeanSquare(x, n), kSmallestMeanSquare));
  kernels::Scale(x, target / magnitude, n, x);
}

// The first `count` streams of one row.
kernels::StreamRows RowsOf(const Streams& streams, int64_t count, int64_t row) {
  return {streams.row(0, row), static_cast<size_t>(count),
          static_cast<size_t>(streams.stream_stride)};
}

// tanh(router (norm(x) / hidden)) for each stream; `normed` is scratch [hidden].
void Route(const AltUpWeights& weights, float eps, const float* x, float* normed, float* modes) {
  const size_t hidden = weights.router_norm.size();
  const size_t streams = weights.modality_router.size() / hidden;
  kernels::RmsNorm(x, weights.router_norm.data(), eps, hidden, normed);
  kernels::Scale(normed, 1.0f / static_cast<float>(hidden), hidden, normed);
  kernels::DotTile(normed, weights.modality_router.data(),
                   {1, streams, hidden, hidden, hidden, streams}, modes);
  kernels::Tanh(modes, streams, modes);
}

// y = m x for a small matrix m [out, in], in plain order.
void SmallProduct(const std::vector<float>& m, const float* x, int64_t in, float* y) {
  const int64_t out = static_cast<int64_t>(m.size()) / in;
  for (int64_t i = 0; i < out; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < in; ++j) sum += m[i * in + j] * x[j];
    y[i] = sum;
  }
}

}  // namespace

void ObserveStreams(const Streams& streams, const Chunk& chunk) {
  if (chunk.observer == nullptr) return;
  for (int64_t k = 0; k < streams.count; ++k) {
    chunk.Observe("stream_" + std::to_string(k), streams.row(k, 0), streams.hidden);
  }
}

void ExpandStreams(const std::vector<TensorView>& projections, const Streams& h,
                   const Chunk& chunk) {
  thread_local std::vector<ops::LinearPart> parts;  // a step allocates nothing
  parts.clear();
  for (int64_t k = 1; k < h.count; ++k) {
    parts.push_back({projections[k - 1], {h.row(k, 0), chunk.rows, h.hidden}});
  }
  ops::Linear({h.row(0, 0), chunk.rows, h.hidden}, parts, chunk.pool);
  chunk.ForEachRow([&](int64_t row) {
    const float target = std::sqrt(MeanSquare(h.row(0, row), h.hidden));
    for (int64_t k = 1; k < h.count; ++k) MatchMagnitude(target, h.hidden, h.row(k, row));
  });
}

void MergeStreams(const std::vector<TensorView>& unembed_projections, const Streams& h,
                  const Chunk& chunk, float* scratch, float* merged) {
  std::copy_n(h.row(0, 0), chunk.rows * h.hidden, merged);
  for (int64_t k = 1; k < h.count; ++k) {
    ops::Linear({h.row(k, 0), chunk.rows, h.hidden}, unembed_projections[k - 1],
                {scratch, chunk.rows, h.hidden}, chunk.pool);
    chunk.ForEachRow([&](int64_t row) {
      float* projected = scratch + row * h.hidden;
      MatchMagnitude(std::sqrt(MeanSquare(h.row(0, row), h.hidden)), h.hidden, projected);
      kernels::Add(projected, merged + row * h.hidden, h.hidden, merged + row * h.hidden);
    });
  }
  chunk.ForEachRow([&](int64_t row) {
    float* sum = merged + row * h.hidden;
    kernels::Scale(sum, 1.0f / static_cast<float>(h.count), h.hidden, sum);
  });
}

void Predict(const AltUpWeights& weights, float eps, const AltUpPrediction& streams,
             const Chunk& chunk, float* scratch) {
  const auto& [h, predicted, wanted] = streams;
  chunk.ForEachRow([&, &h = h, &predicted = predicted, wanted = wanted](int64_t row) {
    float* modes = scratch + row * AltUpScratchFloats(h.count);
    float* coefs = modes + h.count;  // [streams, streams]: what stream i takes from stream j
    Route(weights, eps, h.row(0, row), predicted.row(0, row), modes);
    SmallProduct(weights.prediction_coefs, modes, h.count, coefs);
    kernels::MixStreams(RowsOf(h, h.count, row), coefs, h.hidden, RowsOf(predicted, wanted, row));
  });
}

void Correct(const AltUpWeights& weights, float eps, const AltUpCorrection& streams,
             const Chunk& chunk, float* scratch) {
  const auto& [predicted, activated, h] = streams;
  chunk.ForEachRow([&, &predicted = predicted, activated = activated, &h = h](int64_t row) {
    float* gains = scratch + row * AltUpScratchFloats(h.count);
    float* modes = gains + h.count;
    const float* activated_row = activated + row * h.hidden;
    Route(weights, eps, activated_row, h.row(0, row), modes);
    SmallProduct(weights.correction_coefs, modes, h.count, gains);
    for (int64_t i = 0; i < h.count; ++i) gains[i] += 1.0f;
    kernels::SpreadInnovation(RowsOf(predicted, h.count, row), activated_row, gains, h.hidden,
                              RowsOf(h, h.count, row));
  });
}

}  // namespace gemma3n
