// SPDX-License-Identifier: Apache-2.0
#include "model/feed_forward.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gaussian_topk.h"
#include "kernels/rows.h"
#include "ops/gather.h"
#include "ops/packed_linear.h"

namespace gemma3n {
namespace {

// gate = GELU(gate) * up, in pieces of fixed size.
void GateTimesUp(float* gate, const float* up, int64_t size, ThreadPool& pool) {
  constexpr int64_t kPiece = 4096;  // floats; a multiple of every vector length
  pool.ParallelFor((size + kPiece - 1) / kPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kPiece;
    const int64_t count = std::min(kPiece, size - begin);
    kernels::Gelu(gate + begin, count, gate + begin);
    kernels::Multiply(gate + begin, up + begin, count, gate + begin);
  });
}

// One row of a sparse layer: up only where the gate survived, packed and spread out again.
void SparseUp(const FeedForwardWeights& weights, const float* x, const Chunk& chunk,
              const FeedForwardScratch& scratch) {
  const size_t width = weights.up_proj.shape[0];
  const size_t hidden = weights.up_proj.shape[1];
  const size_t count = kernels::NonZeroIndices(scratch.gate, width, scratch.active.data());
  ops::SelectedLinear({x, hidden}, weights.up_proj, scratch.active.first(count),
                      {scratch.up, width}, chunk.pool);
  // From the last to the first, since the packed values stand in the same memory, to the left.
  size_t end = width;
  for (size_t i = count; i-- > 0;) {
    const size_t at = scratch.active[i];
    std::fill(scratch.up + at + 1, scratch.up + end, 0.0f);
    scratch.up[at] = scratch.up[i];
    end = at;
  }
  std::fill(scratch.up, scratch.up + end, 0.0f);
}

// up and down of a sparse layer that has a row for each neuron: only active ones are read.
void SparseRows(const FeedForwardWeights& weights, const float* x, const Chunk& chunk,
                const FeedForwardScratch& scratch, float* out) {
  const int64_t width = weights.up_rows.shape[0], hidden = weights.up_rows.shape[1];
  ops::SparseRows& survivors = scratch.survivors;
  survivors.Compress({scratch.gate, chunk.rows, width}, width, chunk.pool);
  scratch.survivors_up.Reserve(survivors.count());
  ops::SelectedProducts({x, chunk.rows, hidden}, weights.up_rows, survivors,
                        scratch.survivors_up.span(), chunk.pool);
  GateTimesUp(survivors.values().data(), scratch.survivors_up.data(), survivors.count(),
              chunk.pool);
  ops::WeightedRowSum(survivors, weights.down_rows, {out, chunk.rows, hidden}, chunk.pool);
}

// The share of each row's gates that survived, for the observer.
void ObserveSurvivors(const Chunk& chunk, const float* gate, int64_t width) {
  std::vector<float> share(chunk.rows);
  std::vector<int32_t> indices(width);
  for (int64_t row = 0; row < chunk.rows; ++row) {
    const size_t count = kernels::NonZeroIndices(gate + row * width, width, indices.data());
    share[row] = static_cast<float>(count) / static_cast<float>(width);
  }
  chunk.Observe("survivors", share.data(), 1);
}

}  // namespace

float CutoffDeviations(float sparsity) {
  // Phi^-1(p) = sqrt(2) erfinv(2p - 1), where 2p - 1 is rounded to float32.
  const double target = 2.0f * sparsity - 1.0f;
  if (target >= 1) return std::numeric_limits<float>::infinity();
  double x = 0;
  for (int i = 0; i < 100; ++i) {  // Newton's method on erf, whose slope is 2/sqrt(pi) e^(-x^2)
    const double step = (std::erf(x) - target) * std::sqrt(M_PI) / 2 * std::exp(x * x);
    x -= std::clamp(step, -0.5, 0.5);
    if (std::abs(step) < 1e-15) break;
  }
  return static_cast<float>(x) * static_cast<float>(M_SQRT2);
}

void FeedForward(const FeedForwardWeights& weights, const float* x, const Chunk& chunk,
                 const FeedForwardScratch& scratch, float* out) {
  const int64_t width = weights.gate_proj.shape[0], hidden = weights.gate_proj.shape[1];
  const ops::ConstRows input{x, chunk.rows, hidden};
  chunk.Observe("feed_forward_input", x, hidden);
  const ops::LinearPart parts[] = {{weights.gate_proj, {scratch.gate, chunk.rows, width}},
                                   {weights.up_proj, {scratch.up, chunk.rows, width}}};
  // What survives of the gate decides how much of up is needed. Tiles, as a quantized GGUF file's
  // matrices become, are read whole.
  const bool one_row = chunk.rows == 1 && IsFloat(weights.up_proj.dtype);
  const bool selects = weights.sparse && (!weights.down_rows.empty() || one_row);
  ops::Linear(input, selects ? std::span(parts, 1) : std::span(parts), chunk.pool);
  if (weights.sparse) {
    chunk.ForEachRow([&](int64_t row) {
      float* gate = scratch.gate + row * width;
      kernels::GaussianTopK(gate, weights.cutoff_deviations, width, gate);
    });
    if (chunk.observer != nullptr) ObserveSurvivors(chunk, scratch.gate, width);
  }
  if (!weights.down_rows.empty()) return SparseRows(weights, x, chunk, scratch, out);
  if (selects) SparseUp(weights, x, chunk, scratch);
  GateTimesUp(scratch.gate, scratch.up, chunk.rows * width, chunk.pool);
  chunk.Observe("feed_forward_product", scratch.gate, width);
  const ops::ConstRows product{scratch.gate, chunk.rows, width};
  if (weights.down_steps.empty()) {
    ops::LinearOfFirst(product, weights.down_proj, width, {out, chunk.rows, hidden}, chunk.pool);
  } else {
    ops::SteppedLinear(product, weights.down_steps, {out, chunk.rows, hidden}, hidden, chunk.pool);
  }
}

}  // namespace gemma3n
