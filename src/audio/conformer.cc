// SPDX-License-Identifier: Apache-2.0
#include "audio/conformer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "audio/local_attention.h"
#include "kernels/rows.h"
#include "ops/linear.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

using ops::ConstRows;
using ops::MutableRows;

// The reference gives the norms outside the light convolution their class's default.
constexpr float kNormEps = 1e-6f;
// What "no clipping" looks like in the released configuration: values that no activation reaches.
constexpr float kNoClipping = 1e9f;
constexpr int64_t kRowsPerPiece = 4;

// `rows` rows of a tensor, from row `begin` on.
MutableRows Rows(Tensor& t, int64_t rows, int64_t begin = 0) {
  const int64_t width = t.shape()[1];
  return {t.data() + begin * width, rows, width};
}
MutableRows Rows(Tensor& t) {
  return Rows(t, t.shape()[0]);
}
ConstRows Const(const MutableRows& x) {
  return {x.data, x.rows, x.stride};
}

template <class Fn>
void ForEachRow(int64_t rows, ThreadPool& pool, const Fn& fn) {
  pool.ParallelFor((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    for (int64_t row = begin; row < std::min(rows, begin + kRowsPerPiece); ++row) fn(row);
  });
}

void Clip(float* x, int64_t count, float limit) {
  if (limit >= kNoClipping) return;
  for (int64_t i = 0; i < count; ++i) x[i] = std::clamp(x[i], -limit, limit);
}

// out = norm(clip(x)), rows of `hidden`; out may be x.
void ClipAndNorm(MutableRows x, std::span<const float> weight, const AudioConfig& config,
                 ThreadPool& pool, MutableRows out) {
  if (config.gradient_clipping >= kNoClipping) {
    ops::RmsNorm(Const(x), weight, kNormEps, out, pool);
    return;
  }
  const int64_t count = x.rows * config.hidden_size;
  if (x.data != out.data) std::copy_n(x.data, count, out.data);
  Clip(out.data, count, config.gradient_clipping);
  ops::RmsNorm(Const(out), weight, kNormEps, out, pool);
}

// x += scale * norm(clip(branch)), branch being spent.
void AddNormed(MutableRows branch, std::span<const float> weight, float scale,
               const AudioConfig& config, ThreadPool& pool, Tensor& x) {
  ClipAndNorm(branch, weight, config, pool, branch);
  ForEachRow(branch.rows, pool, [&](int64_t row) {
    kernels::AddScaled(branch.data + row * branch.stride, scale, config.hidden_size, x.row(row));
  });
}

void FeedForward(const ConformerFeedForwardWeights& weights, const AudioConfig& config,
                 ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  const int64_t frames = x.shape()[0];
  const MutableRows normed = Rows(scratch.normed, frames), wide = Rows(scratch.wide, frames);
  ClipAndNorm(Rows(x), weights.pre_layer_norm, config, pool, normed);
  ops::Linear(Const(normed), weights.ffw_layer_1, wide, pool);
  ForEachRow(frames, pool, [&](int64_t row) {
    kernels::Silu(scratch.wide.row(row), 4 * config.hidden_size, scratch.wide.row(row));
  });
  ops::Linear(Const(wide), weights.ffw_layer_2, normed, pool);
  AddNormed(normed, weights.post_layer_norm, config.residual_weight, config, pool, x);
}

// The rows kept of earlier frames come before those of this piece, which are yet to be written...
void PutBefore(const Tensor& kept, Tensor& rows) {
  std::copy(kept.span().begin(), kept.span().end(), rows.data());
}
// ...and the last of all are kept.
void KeepLast(const Tensor& rows, Tensor& kept) {
  std::copy_n(rows.span().end() - static_cast<ptrdiff_t>(kept.size()), kept.size(), kept.data());
}

void Attention(const ConformerBlockWeights& weights, const AudioConfig& config,
               ConformerState& state, ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  const int64_t frames = x.shape()[0], before = config.attention_window - 1;
  const MutableRows normed = Rows(scratch.normed);
  PutBefore(state.key, scratch.key);
  PutBefore(state.value, scratch.value);
  ClipAndNorm(Rows(x), weights.pre_attn_norm, config, pool, normed);
  const std::array<ops::LinearPart, 3> parts{
      {{weights.q_proj, Rows(scratch.query)},
       {weights.k_proj, Rows(scratch.key, frames, before)},
       {weights.v_proj, Rows(scratch.value, frames, before)}}};
  ops::Linear(Const(normed), parts, pool);
  LocalAttention(scratch.key, scratch.value, state.past, weights, config, pool, scratch.query);
  KeepLast(scratch.key, state.key);
  KeepLast(scratch.value, state.value);
  state.past = std::min(before, state.past + frames);
  ops::Linear(Const(Rows(scratch.query)), weights.post, normed, pool);
  AddNormed(normed, weights.post_norm, 1.0f, config, pool, x);
}

// Fills the piece's rows of scratch.gated with the gated linear unit of x.
void GatedLinear(const ConformerBlockWeights& weights, const AudioConfig& config,
                 ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  const int64_t hidden = config.hidden_size, frames = x.shape()[0];
  const MutableRows normed = Rows(scratch.normed);
  ops::RmsNorm(Const(Rows(x)), weights.lconv_pre_layer_norm, config.rms_norm_eps, normed, pool);
  const MutableRows gates{scratch.wide.data(), frames, 2 * hidden};
  ops::Linear(Const(normed), weights.linear_start, gates, pool);
  const MutableRows gated = Rows(scratch.gated, frames, config.conv_kernel_size - 1);
  ForEachRow(frames, pool, [&](int64_t row) {
    float* gate = gates.data + row * gates.stride + hidden;
    kernels::Sigmoid(gate, hidden, gate);
    kernels::Multiply(gates.data + row * gates.stride, gate, hidden,
                      gated.data + row * gated.stride);
  });
}

// Gated linear unit, then a depthwise convolution over a frame and those before it, for the frames
// that LastOfEvery leaves.
void LightConvolution(const ConformerBlockWeights& weights, const AudioConfig& config, int64_t step,
                      ConformerState& state, ConformerScratch& scratch, ThreadPool& pool,
                      Tensor& x) {
  const int64_t hidden = config.hidden_size;
  PutBefore(state.gated, scratch.gated);
  GatedLinear(weights, config, scratch, pool, x);
  KeepLast(scratch.gated, state.gated);
  const int64_t first = (x.shape()[0] - 1) % step;
  if (step > 1) x = LastOfEvery(step, x);
  const MutableRows convolved = Rows(scratch.query, x.shape()[0]);
  const auto row_of = [&](int64_t row) { return convolved.data + row * hidden; };
  ForEachRow(convolved.rows, pool, [&](int64_t row) {
    float* y = row_of(row);
    std::fill_n(y, hidden, 0.0f);
    for (int64_t tap = 0; tap < config.conv_kernel_size; ++tap) {
      kernels::AddProduct(scratch.gated.row(first + row * step + tap), weights.depthwise.row(tap),
                          hidden, y);
    }
    Clip(y, hidden, config.gradient_clipping);
    kernels::RmsNorm(y, weights.conv_norm.data(), config.rms_norm_eps, hidden, y);
    kernels::Silu(y, hidden, y);
  });
  const MutableRows branch = Rows(scratch.normed, convolved.rows);
  ops::Linear(Const(convolved), weights.linear_end, branch, pool);
  ForEachRow(branch.rows, pool, [&](int64_t row) {
    kernels::Add(branch.data + row * hidden, x.row(row), hidden, x.row(row));
  });
}

}  // namespace

ConformerState::ConformerState(const AudioConfig& config)
    : key({config.attention_window - 1, config.hidden_size}),
      value({config.attention_window - 1, config.hidden_size}),
      gated({config.conv_kernel_size - 1, config.hidden_size}) {}

ConformerScratch::ConformerScratch(int64_t frames, const AudioConfig& config)
    : normed({frames, config.hidden_size}),
      wide({frames, 4 * config.hidden_size}),
      query({frames, config.hidden_size}),
      key({config.attention_window - 1 + frames, config.hidden_size}),
      value({config.attention_window - 1 + frames, config.hidden_size}),
      gated({config.conv_kernel_size - 1 + frames, config.hidden_size}) {}

void ConformerBlock(const ConformerBlockWeights& weights, const AudioConfig& config, int64_t step,
                    ConformerState& state, ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  CHECK_EQ(x.shape()[0], scratch.query.shape()[0]);
  FeedForward(weights.ffw_layer_start, config, scratch, pool, x);
  Attention(weights, config, state, scratch, pool, x);
  LightConvolution(weights, config, step, state, scratch, pool, x);
  FeedForward(weights.ffw_layer_end, config, scratch, pool, x);
  ClipAndNorm(Rows(x), weights.norm, config, pool, Rows(x));
}

Tensor LastOfEvery(int64_t step, const Tensor& x) {
  const int64_t last = x.shape()[0] - 1;
  Tensor rows({last / step + 1, x.shape()[1]});
  for (int64_t i = 0; i < rows.shape()[0]; ++i) {
    std::copy_n(x.row(last % step + i * step), x.shape()[1], rows.row(i));
  }
  return rows;
}

}  // namespace gemma3n
