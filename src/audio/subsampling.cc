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
// channels.
void CopyPatch(const Tensor& x, const AudioConfig::Convolution& config, int64_t channels,
               int64_t time, int64_t frequency, float* patch) {
  const int64_t times = x.shape()[0];
  for (int64_t kt = 0; kt < config.kernel_time; ++kt) {
    for (int64_t kf = 0; kf < config.kernel_frequency; ++kf, patch += channels) {
      const int64_t t = time * config.stride_time + kt;
      const int64_t f = frequency * config.stride_frequency + kf - 1;
      if (t < times && f >= 0 && f < config.input_frequencies) {
        std::memcpy(patch, x.row(t) + f * channels, channels * sizeof(float));
      } else {
        std::memset(patch, 0, channels * sizeof(float));
      }
    }
  }
}

// x [times, frequencies * channels] -> [output times, output frequencies * output channels].
Tensor Convolve(const Tensor& x, int64_t channels, const AudioConfig::Convolution& config,
                const SubsamplingWeights::Convolution& weights, ThreadPool& pool) {
  const int64_t times = x.shape()[0];
  // Padded behind by kernel - 1 rows.
  const int64_t out_times = times == 0 ? 0 : (times - 1) / config.stride_time + 1;
  const int64_t out_frequencies = config.output_frequencies;
  const size_t depth = static_cast<size_t>(weights.taps.shape()[0]);
  const size_t rows = static_cast<size_t>(out_frequencies);
  const size_t out = static_cast<size_t>(config.channels);
  Tensor y({out_times, out_frequencies * config.channels});
  pool.ParallelFor(out_times, [&](size_t time) {
    thread_local std::vector<float> patches;
    patches.resize(rows * depth);
    for (size_t f = 0; f < rows; ++f) {
      CopyPatch(x, config, channels, static_cast<int64_t>(time), static_cast<int64_t>(f),
                patches.data() + f * depth);
    }
    kernels::WeightedSum(patches.data(), weights.taps.data(), {rows, out, depth, depth, out, out},
                         y.row(static_cast<int64_t>(time)));
  });
  return y;
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

void CumulativeGroupNorm::NextRow(std::span<const float> x, std::span<const float> weight,
                                  float eps, std::span<float> y) {
  const double mean = mean_.Next(SumOf(x), x.size());
  const double variance = variance_.Next(SquaredDeviations(x, mean), x.size());
  Normalize(x, mean, variance, weight, eps, y);
}

// Only the running sums go from row to row; the rest is done for all rows at once.
void CumulativeGroupNorm::AllRows(Tensor& rows, std::span<const float> weight, float eps,
                                  ThreadPool& pool) {
  const size_t count = static_cast<size_t>(rows.shape()[0]), width = rows.row_size();
  const auto row = [&](size_t i) {
    return std::span<float>(rows.row(static_cast<int64_t>(i)), width);
  };
  std::vector<double> sums(count), means(count), variances(count);
  pool.ParallelFor(count, [&](size_t i) { sums[i] = SumOf(row(i)); });
  RunningMean mean, variance;
  for (size_t i = 0; i < count; ++i) means[i] = mean.Next(sums[i], width);
  pool.ParallelFor(count, [&](size_t i) { sums[i] = SquaredDeviations(row(i), means[i]); });
  for (size_t i = 0; i < count; ++i) variances[i] = variance.Next(sums[i], width);
  pool.ParallelFor(
      count, [&](size_t i) { Normalize(row(i), means[i], variances[i], weight, eps, row(i)); });
}

Tensor Subsample(const Tensor& mel, const SubsamplingWeights& weights, const AudioConfig& config,
                 ThreadPool& pool) {
  CHECK_EQ(mel.shape()[1], config.input_feat_size);
  const Tensor* input = &mel;
  Tensor rows;
  int64_t channels = 1;
  for (size_t i = 0; i < weights.convolutions.size(); ++i) {
    rows = Convolve(*input, channels, config.convolutions[i], weights.convolutions[i], pool);
    CumulativeGroupNorm::AllRows(rows, weights.convolutions[i].norm, config.group_norm_eps, pool);
    input = &rows;
    channels = config.convolutions[i].channels;
  }
  Tensor frames({rows.shape()[0], config.hidden_size});
  ops::Linear({rows.data(), rows.shape()[0], rows.shape()[1]}, weights.input_proj_linear,
              {frames.data(), frames.shape()[0], config.hidden_size}, pool);
  return frames;
}

}  // namespace gemma3n
