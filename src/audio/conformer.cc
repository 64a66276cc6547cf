// SPDX-License-Identifier: Apache-2.0
#include "audio/conformer.h"

#include <algorithm>
#include <utility>

#include "audio/local_attention.h"
#include "kernels/rows.h"
#include "ops/linear.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

// The reference gives the norms outside the light convolution their class's default.
constexpr float kNormEps = 1e-6f;
// What "no clipping" looks like in the released configuration: values that no activation reaches.
constexpr float kNoClipping = 1e9f;
constexpr int64_t kRowsPerPiece = 4;

ops::ConstRows Rows(const Tensor& t) {
  return {t.data(), t.shape()[0], t.shape()[1]};
}
ops::MutableRows Rows(Tensor& t) {
  return {t.data(), t.shape()[0], t.shape()[1]};
}

template <class Fn>
void ForEachRow(int64_t rows, ThreadPool& pool, const Fn& fn) {
  pool.ParallelFor((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    for (int64_t row = begin; row < std::min(rows, begin + kRowsPerPiece); ++row) fn(row);
  });
}

void Clip(Tensor& x, float limit) {
  if (limit >= kNoClipping) return;
  for (float& value : x.span()) value = std::clamp(value, -limit, limit);
}

// out = norm(clip(x))
void ClipAndNorm(const Tensor& x, std::span<const float> weight, const AudioConfig& config,
                 ThreadPool& pool, Tensor& out) {
  if (config.gradient_clipping >= kNoClipping) {
    ops::RmsNorm(Rows(x), weight, kNormEps, Rows(out), pool);
    return;
  }
  std::copy(x.span().begin(), x.span().end(), out.data());
  Clip(out, config.gradient_clipping);
  ops::RmsNorm(Rows(std::as_const(out)), weight, kNormEps, Rows(out), pool);
}

// x += scale * norm(clip(branch)), branch being spent.
void AddNormed(Tensor& branch, std::span<const float> weight, float scale,
               const AudioConfig& config, ThreadPool& pool, Tensor& x) {
  ClipAndNorm(branch, weight, config, pool, branch);
  ForEachRow(x.shape()[0], pool, [&](int64_t row) {
    kernels::AddScaled(branch.row(row), scale, config.hidden_size, x.row(row));
  });
}

void FeedForward(const ConformerFeedForwardWeights& weights, const AudioConfig& config,
                 ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  ClipAndNorm(x, weights.pre_layer_norm, config, pool, scratch.normed);
  ops::Linear(Rows(std::as_const(scratch.normed)), weights.ffw_layer_1, Rows(scratch.wide), pool);
  ForEachRow(x.shape()[0], pool, [&](int64_t row) {
    kernels::Silu(scratch.wide.row(row), 4 * config.hidden_size, scratch.wide.row(row));
  });
  ops::Linear(Rows(std::as_const(scratch.wide)), weights.ffw_layer_2, Rows(scratch.normed), pool);
  AddNormed(scratch.normed, weights.post_layer_norm, config.residual_weight, config, pool, x);
}

void Attention(const ConformerBlockWeights& weights, const AudioConfig& config,
               ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  ClipAndNorm(x, weights.pre_attn_norm, config, pool, scratch.normed);
  const ops::ConstRows normed = Rows(std::as_const(scratch.normed));
  ops::Linear(normed, weights.q_proj, Rows(scratch.query), pool);
  ops::Linear(normed, weights.k_proj, Rows(scratch.key), pool);
  ops::Linear(normed, weights.v_proj, Rows(scratch.value), pool);
  LocalAttention(scratch.query, scratch.key, scratch.value, weights, config, pool,
                 scratch.attended);
  ops::Linear(Rows(std::as_const(scratch.attended)), weights.post, Rows(scratch.normed), pool);
  AddNormed(scratch.normed, weights.post_norm, 1.0f, config, pool, x);
}

// Gated linear unit, then a depthwise convolution over this frame and those before it.
void LightConvolution(const ConformerBlockWeights& weights, const AudioConfig& config,
                      ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  const int64_t hidden = config.hidden_size, frames = x.shape()[0];
  ops::RmsNorm(Rows(std::as_const(x)), weights.lconv_pre_layer_norm, config.rms_norm_eps,
               Rows(scratch.normed), pool);
  const ops::MutableRows gates{scratch.wide.data(), frames, 2 * hidden};
  ops::Linear(Rows(std::as_const(scratch.normed)), weights.linear_start, gates, pool);
  Tensor& gated = scratch.query;
  ForEachRow(frames, pool, [&](int64_t row) {
    float* gate = gates.data + row * gates.stride + hidden;
    kernels::Sigmoid(gate, hidden, gate);
    kernels::Multiply(gates.data + row * gates.stride, gate, hidden, gated.row(row));
  });
  ForEachRow(frames, pool, [&](int64_t row) {
    float* y = scratch.key.row(row);
    std::fill_n(y, hidden, 0.0f);
    for (int64_t tap = 0; tap < config.conv_kernel_size; ++tap) {
      const int64_t source = row - (config.conv_kernel_size - 1) + tap;
      if (source >= 0) {
        kernels::AddProduct(gated.row(source), weights.depthwise.row(tap), hidden, y);
      }
    }
  });
  Clip(scratch.key, config.gradient_clipping);
  ForEachRow(frames, pool, [&](int64_t row) {
    float* y = scratch.key.row(row);
    kernels::RmsNorm(y, weights.conv_norm.data(), config.rms_norm_eps, hidden, y);
    kernels::Silu(y, hidden, y);
  });
  ops::Linear(Rows(std::as_const(scratch.key)), weights.linear_end, Rows(scratch.normed), pool);
  ForEachRow(frames, pool, [&](int64_t row) {
    kernels::Add(scratch.normed.row(row), x.row(row), hidden, x.row(row));
  });
}

}  // namespace

ConformerScratch::ConformerScratch(int64_t frames, const AudioConfig& config)
    : normed({frames, config.hidden_size}),
      wide({frames, 4 * config.hidden_size}),
      query({frames, config.hidden_size}),
      key({frames, config.hidden_size}),
      value({frames, config.hidden_size}),
      attended({frames, config.hidden_size}) {}

void ConformerBlock(const ConformerBlockWeights& weights, const AudioConfig& config,
                    ConformerScratch& scratch, ThreadPool& pool, Tensor& x) {
  FeedForward(weights.ffw_layer_start, config, scratch, pool, x);
  Attention(weights, config, scratch, pool, x);
  LightConvolution(weights, config, scratch, pool, x);
  FeedForward(weights.ffw_layer_end, config, scratch, pool, x);
  ClipAndNorm(x, weights.norm, config, pool, x);
}

}  // namespace gemma3n
