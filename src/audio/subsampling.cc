// SPDX-License-Identifier: Apache-2.0
#include "audio/subsampling.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/attention.h"
#include "ops/linear.h"

namespace gemma3n {
namespace {

// The patch under output (time, frequency) of x [times, frequencies, channels]: taps, then
// channels. Behind the last time of x there are zeros.
void CopyPatch(const HeldRows& x, const AudioConfig::Convolution& config, int64_t channels,
               int64_t time, int64_t frequency, float* patch) {
  for (int64_t kt = 0; kt < config.kernel_time; ++kt) {
    for (int64_t kf = 0; kf < config.kernel_frequency; ++kf, patch += channels) {
      const int64_t t = time * config.stride_time + kt;
      const int64_t f = frequency * config.stride_frequency + kf - 1;
      if (t < x.end() && f >= 0 && f < config.input_frequencies) {
        std::memcpy(patch, x.row(t) + f * channels, channels * sizeof(float));
      } else {
        std::memset(patch, 0, channels * sizeof(float));
      }
    }
  }
}

// Output rows that are known when so many rows of input are there.
int64_t KnownRows(int64_t rows, const AudioConfig::Convolution& config, bool all) {
  if (all) return (rows + config.stride_time - 1) / config.stride_time;
  return rows < config.kernel_time ? 0 : (rows - config.kernel_time) / config.stride_time + 1;
}

// x [times, frequencies * channels] -> y [count, output frequencies * output channels], the output
// rows from `begin` on.
void Convolve(const HeldRows& x, int64_t begin, int64_t count,
              const AudioConfig::Convolution& config,
              const SubsamplingWeights::Convolution& weights, ThreadPool& pool, float* y) {
  const size_t depth = static_cast<size_t>(weights.taps.shape()[0]);
  const size_t rows = static_cast<size_t>(config.output_frequencies);
  const size_t out = static_cast<size_t>(config.channels);
  const int64_t channels = x.width() / config.input_frequencies;
  pool.ParallelFor(static_cast<size_t>(count), [&](size_t i) {
    thread_local std::vector<float> patches;
    patches.resize(rows * depth);
    for (size_t f = 0; f < rows; ++f) {
      CopyPatch(x, config, channels, begin + static_cast<int64_t>(i), static_cast<int64_t>(f),
                patches.data() + f * depth);
    }
    kernels::WeightedSum(patches.data(), weights.taps.data(), {rows, out, depth, depth, out, out},
                         y + i * rows * out);
  });
}

// Sums of eight numbers side by side, then of the eight: in an order that depends on x.size()
// alone.
template <class Term>
double SumOfTerms(std::span<const float> x, const Term& term) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= x.size(); i += kSums) {
    for (size_t j = 0; j < kSums; ++j) sums[j] += term(x[i + j]);
  }
  for (; i < x.size(); ++i) sums[0] += term(x[i]);
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

double SumOf(std::span<const float> x) {
  return SumOfTerms(x, [](float value) { return static_cast<double>(value); });
}
double SquaredDeviations(std::span<const float> x, double mean) {
  return SumOfTerms(x, [mean](float value) { return (value - mean) * (value - mean); });
}

void Normalize(std::span<const float> x, double mean, double variance,
               std::span<const float> weight, float eps, std::span<float> y) {
  const float mean_float = static_cast<float>(mean);
  const float factor = static_cast<float>(1.0 / std::sqrt(variance + eps));
  const size_t channels = weight.size();
  CHECK_EQ(x.size() % channels, 0u);
  for (size_t begin = 0; begin < x.size(); begin += channels) {
    for (size_t c = 0; c < channels; ++c) {
      y[begin + c] = std::max(0.0f, (x[begin + c] - mean_float) * factor * weight[c]);
    }
  }
}

}  // namespace

// Only the running sums go from row to row; the rest is done for all rows at once.
void CumulativeGroupNorm::NextRows(float* rows, size_t count, size_t width,
                                   std::span<const float> weight, float eps, ThreadPool& pool) {
  const auto row = [&](size_t i) { return std::span<float>(rows + i * width, width); };
  std::vector<double> sums(count), means(count), variances(count);
  pool.ParallelFor(count, [&](size_t i) { sums[i] = SumOf(row(i)); });
  for (size_t i = 0; i < count; ++i) means[i] = mean_.Next(sums[i], width);
  pool.ParallelFor(count, [&](size_t i) { sums[i] = SquaredDeviations(row(i), means[i]); });
  for (size_t i = 0; i < count; ++i) variances[i] = variance_.Next(sums[i], width);
  pool.ParallelFor(
      count, [&](size_t i) { Normalize(row(i), means[i], variances[i], weight, eps, row(i)); });
}

Subsampling::Subsampling(const SubsamplingWeights& weights, const AudioConfig& config)
    : weights_(weights), config_(config) {
  int64_t channels = 1;
  for (const AudioConfig::Convolution& conv : config.convolutions) {
    layers_.push_back({.input = HeldRows(conv.input_frequencies * channels)});
    channels = conv.channels;
  }
}

Tensor Subsampling::Next(const Tensor& mel, bool last, ThreadPool& pool) {
  CHECK_EQ(mel.shape()[1], config_.input_feat_size);
  std::copy(mel.span().begin(), mel.span().end(), layers_[0].input.Append(mel.shape()[0]));
  Tensor rows;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const AudioConfig::Convolution& conv = config_.convolutions[i];
    Layer& layer = layers_[i];
    const int64_t count = KnownRows(layer.input.end(), conv, last) - layer.rows;
    const int64_t width = conv.output_frequencies * conv.channels;
    float* y;
    if (i + 1 < layers_.size()) {
      y = layers_[i + 1].input.Append(count);
    } else {
      rows = Tensor::Unset({count, width});
      y = rows.data();
    }
    Convolve(layer.input, layer.rows, count, conv, weights_.convolutions[i], pool, y);
    layer.norm.NextRows(y, static_cast<size_t>(count), static_cast<size_t>(width),
                        weights_.convolutions[i].norm, config_.group_norm_eps, pool);
    layer.rows += count;
    layer.input.DropBefore(layer.rows * conv.stride_time);
  }
  Tensor frames({rows.shape()[0], config_.hidden_size});
  if (frames.shape()[0] == 0) return frames;
  ops::Linear({rows.data(), rows.shape()[0], rows.shape()[1]}, weights_.input_proj_linear,
              {frames.data(), frames.shape()[0], config_.hidden_size}, pool);
  return frames;
}

}  // namespace gemma3n
