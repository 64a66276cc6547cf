// SPDX-License-Identifier: Apache-2.0
#include "vision/mobilenet_blocks.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/float_dot.h"
#include "kernels/rows.h"
#include "ops/norm.h"
#include "vision/quantized_blocks.h"

namespace gemma3n {
namespace {

// Pixels whose expanded channels are held at once: some megabytes at the widest.
constexpr int64_t kRowsPerBlock = 768;
constexpr int64_t kRowsPerPiece = 16;

template <class Fn>
void ForEachRow(int64_t rows, ThreadPool& pool, const Fn& fn) {
  pool.ParallelFor((rows + kRowsPerPiece - 1) / kRowsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kRowsPerPiece;
    for (int64_t row = begin; row < std::min(rows, begin + kRowsPerPiece); ++row) fn(row);
  });
}

ops::MutableRows Part(ops::MutableRows rows, int64_t begin, int64_t count) {
  return {rows.data + begin * rows.stride, count, rows.stride};
}
ops::ConstRows Part(ops::ConstRows rows, int64_t begin, int64_t count) {
  return {rows.data + begin * rows.stride, count, rows.stride};
}
ops::ConstRows Const(ops::MutableRows rows) {
  return {rows.data, rows.rows, rows.stride};
}

void Norm(std::span<const float> weight, ops::MutableRows x, ThreadPool& pool) {
  ops::RmsNorm(Const(x), weight, kVisionNormEps, x, pool);
}

FeatureMap NormedDepthwise(const InvertedResidualWeights::Depthwise& weights, const FeatureMap& x,
                           ThreadPool& pool) {
  FeatureMap out = ConvolveDepthwise(x, weights.conv, pool);
  Norm(weights.norm, out.rows(), pool);
  return out;
}

// out = scale * out + x, where there is a scale and where x fits.
void ScaleAndSkip(std::span<const float> scale, bool skip, const FeatureMap& x, FeatureMap& out,
                  ThreadPool& pool) {
  ForEachRow(out.pixels(), pool, [&](int64_t row) {
    float* y = out.values.row(row);
    if (!scale.empty()) kernels::Multiply(y, scale.data(), out.channels, y);
    if (skip) kernels::Add(y, x.values.row(row), out.channels, y);
  });
}

bool SameShape(const FeatureMap& a, const FeatureMap& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

FeatureMap Run(const EdgeResidualWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  const int64_t kernel = weights.conv_exp.kernel_size, stride = weights.conv_exp.stride;
  FeatureMap out(ComputeSamePadding(x.height, kernel, stride).out,
                 ComputeSamePadding(x.width, kernel, stride).out, weights.conv_pwl.conv.shape[0]);
  const int64_t expanded = weights.conv_exp.kernel.shape[0];
  Tensor wide({std::min(kRowsPerBlock, out.pixels()), expanded});
  for (int64_t begin = 0; begin < out.pixels(); begin += kRowsPerBlock) {
    const int64_t rows = std::min(kRowsPerBlock, out.pixels() - begin);
    const ops::MutableRows block{wide.data(), rows, expanded};
    ConvolvePixels(x, weights.conv_exp, begin, begin + rows, pool, block);
    NormAndGelu(weights.bn1, block, pool);
    ops::Linear(Const(block), weights.conv_pwl.conv, Part(out.rows(), begin, rows), pool);
  }
  Norm(weights.conv_pwl.norm, out.rows(), pool);
  ScaleAndSkip({}, stride == 1 && SameShape(x, out), x, out, pool);
  return out;
}

FeatureMap Run(const InvertedResidualWeights& weights, const FeatureMap& x, ThreadPool& pool) {
  FeatureMap started;
  if (weights.dw_start) started = NormedDepthwise(*weights.dw_start, x, pool);
  const FeatureMap& input = weights.dw_start ? started : x;
  FeatureMap out;
  if (weights.dw_mid) {
    FeatureMap wide(input.height, input.width, weights.pw_exp.conv.shape[0]);
    ops::Linear(input.rows(), weights.pw_exp.conv, wide.rows(), pool);
    NormAndGelu(weights.pw_exp.norm, wide.rows(), pool);
    wide = ConvolveDepthwise(wide, weights.dw_mid->conv, pool);
    NormAndGelu(weights.dw_mid->norm, wide.rows(), pool);
    out = FeatureMap(wide.height, wide.width, weights.pw_proj.conv.shape[0]);
    ops::Linear(std::as_const(wide).rows(), weights.pw_proj.conv, out.rows(), pool);
    Norm(weights.pw_proj.norm, out.rows(), pool);
  } else {
    out = FeatureMap(input.height, input.width, weights.pw_proj.conv.shape[0]);
    PointwisePair(weights.pw_exp, weights.pw_proj, input.rows(), out.rows(), pool);
  }
  ScaleAndSkip(weights.layer_scale, weights.allow_skip && SameShape(x, out), x, out, pool);
  return out;
}

// Keys or values of the map: [pixels of the smaller map, key_dim].
Tensor Project(const MobileAttentionWeights::KeyValue& weights, const FeatureMap& x,
               ThreadPool& pool) {
  FeatureMap smaller;
  if (weights.down) smaller = NormedDepthwise(*weights.down, x, pool);
  const FeatureMap& input = weights.down ? smaller : x;
  Tensor out({input.pixels(), weights.proj.shape[0]});
  ops::Linear(std::as_const(input).rows(), weights.proj,
              {out.data(), input.pixels(), out.shape()[1]}, pool);
  return out;
}

Tensor Transpose(const Tensor& x) {
  Tensor out({x.shape()[1], x.shape()[0]});
  for (int64_t i = 0; i < x.shape()[0]; ++i) {
    for (int64_t j = 0; j < x.shape()[1]; ++j) out.row(j)[i] = x.row(i)[j];
  }
  return out;
}

// query [pixels, heads * dim] in place -> what each head gathers. Scores of a few queries of one
// head exist at a time.
void AttendInPlace(Tensor& query, const Tensor& key, const Tensor& value_transposed,
                   ThreadPool& pool) {
  const size_t dim = static_cast<size_t>(key.shape()[1]);
  const size_t keys = static_cast<size_t>(key.shape()[0]);
  const size_t width = static_cast<size_t>(query.shape()[1]);
  const int64_t heads = query.shape()[1] / key.shape()[1];
  const int64_t pixels = query.shape()[0];
  const int64_t blocks = (pixels + kRowsPerPiece - 1) / kRowsPerPiece;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  pool.ParallelFor(blocks * heads, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) / heads * kRowsPerPiece;
    const int64_t head = static_cast<int64_t>(piece) % heads;
    const size_t rows = static_cast<size_t>(std::min(kRowsPerPiece, pixels - begin));
    thread_local AlignedBuffer<float> scores;
    scores.Reserve(kRowsPerPiece * keys);
    float* q = query.row(begin) + head * static_cast<int64_t>(dim);
    for (size_t row = 0; row < rows; ++row) {
      kernels::Scale(q + row * width, scale, dim, q + row * width);
    }
    kernels::DotTile(q, key.data(), {rows, keys, dim, width, dim, keys}, scores.data());
    for (size_t row = 0; row < rows; ++row) {
      kernels::Softmax(scores.data() + row * keys, keys, scores.data() + row * keys);
    }
    kernels::DotTile(scores.data(), value_transposed.data(), {rows, dim, keys, keys, keys, width},
                     q);
  });
}

FeatureMap Run(const MobileAttentionWeights& weights, FeatureMap x, ThreadPool& pool) {
  FeatureMap normed(x.height, x.width, x.channels);
  ops::RmsNorm(std::as_const(x).rows(), weights.norm, kVisionNormEps, normed.rows(), pool);
  Tensor query({x.pixels(), weights.query.shape[0]});
  const ops::MutableRows query_rows{query.data(), x.pixels(), query.shape()[1]};
  ops::Linear(std::as_const(normed).rows(), weights.query, query_rows, pool);
  const Tensor key = Project(weights.key, normed, pool);
  const Tensor value = Transpose(Project(weights.value, normed, pool));
  AttendInPlace(query, key, value, pool);
  ops::Linear(Const(query_rows), weights.output, normed.rows(), pool);
  ScaleAndSkip(weights.layer_scale, true, x, normed, pool);
  return normed;
}

}  // namespace

void NormAndGelu(std::span<const float> norm, ops::MutableRows x, ThreadPool& pool) {
  ForEachRow(x.rows, pool, [&](int64_t row) {
    float* y = x.data + row * x.stride;
    kernels::RmsNorm(y, norm.data(), kVisionNormEps, norm.size(), y);
    kernels::Gelu(y, norm.size(), y);
  });
}

void PointwisePair(const PointwiseWeights& exp, const PointwiseWeights& proj, ops::ConstRows x,
                   ops::MutableRows out, ThreadPool& pool) {
  if (IsQuantized(exp, proj)) return QuantizedPointwisePair(exp, proj, x, out, pool);
  const int64_t expanded = exp.conv.shape[0];
  Tensor wide({std::min(kRowsPerBlock, x.rows), expanded});
  for (int64_t begin = 0; begin < x.rows; begin += kRowsPerBlock) {
    const int64_t rows = std::min(kRowsPerBlock, x.rows - begin);
    const ops::MutableRows block{wide.data(), rows, expanded};
    ops::Linear(Part(x, begin, rows), exp.conv, block, pool);
    NormAndGelu(exp.norm, block, pool);
    ops::Linear(Const(block), proj.conv, Part(out, begin, rows), pool);
  }
  Norm(proj.norm, out, pool);
}

FeatureMap RunBlock(const BlockWeights& weights, FeatureMap x, ThreadPool& pool) {
  if (IsQuantized(weights)) return RunQuantizedBlock(weights, x, pool);
  return std::visit([&](const auto& block) { return Run(block, std::move(x), pool); }, weights);
}

}  // namespace gemma3n
