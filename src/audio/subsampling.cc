// SPDX-License-Identifier: Apache-2.0
#include "audio/subsampling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/linear.h"

namespace gemma3n {
namespace {

constexpr int64_t kRowsPerBlock = 16;  // output rows whose patches are laid out at once

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
  const int64_t patch_size = weights.kernel.shape()[1];
  Tensor y({out_times, out_frequencies * config.channels});
  Tensor patches({kRowsPerBlock * out_frequencies, patch_size});
  for (int64_t begin = 0; begin < out_times; begin += kRowsPerBlock) {
    const int64_t rows = std::min(kRowsPerBlock, out_times - begin);
    pool.ParallelFor(rows, [&](size_t row) {
      for (int64_t f = 0; f < out_frequencies; ++f) {
        CopyPatch(x, config, channels, begin + static_cast<int64_t>(row), f,
                  patches.row(static_cast<int64_t>(row) * out_frequencies + f));
      }
    });
    ops::Linear({patches.data(), rows * out_frequencies, patch_size}, weights.kernel.view(),
                {y.row(begin), rows * out_frequencies, config.channels}, pool);
  }
  return y;
}

}  // namespace

void CumulativeGroupNorm::NextRow(std::span<const float> x, std::span<const float> weight,
                                  float eps, std::span<float> y) {
  double row_sum = 0;
  for (float value : x) row_sum += value;
  sum_ += row_sum;
  count_ += static_cast<int64_t>(x.size());
  const double mean = sum_ / static_cast<double>(count_);
  double row_deviations = 0;
  for (float value : x) row_deviations += (value - mean) * (value - mean);
  squared_deviations_ += row_deviations;
  const double variance = squared_deviations_ / static_cast<double>(count_);
  const float mean_float = static_cast<float>(mean);
  const float factor = static_cast<float>(1.0 / std::sqrt(variance + eps));
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = std::max(0.0f, (x[i] - mean_float) * factor * weight[i % weight.size()]);
  }
}

Tensor Subsample(const Tensor& mel, const SubsamplingWeights& weights, const AudioConfig& config,
                 ThreadPool& pool) {
  CHECK_EQ(mel.shape()[1], config.input_feat_size);
  const Tensor* input = &mel;
  Tensor rows;
  int64_t channels = 1;
  for (size_t i = 0; i < weights.convolutions.size(); ++i) {
    rows = Convolve(*input, channels, config.convolutions[i], weights.convolutions[i], pool);
    CumulativeGroupNorm norm;
    const size_t width = static_cast<size_t>(rows.shape()[1]);
    for (int64_t row = 0; row < rows.shape()[0]; ++row) {
      const std::span<float> values(rows.row(row), width);
      norm.NextRow(values, weights.convolutions[i].norm, config.group_norm_eps, values);
    }
    input = &rows;
    channels = config.convolutions[i].channels;
  }
  Tensor frames({rows.shape()[0], config.hidden_size});
  ops::Linear({rows.data(), rows.shape()[0], rows.shape()[1]}, weights.input_proj_linear,
              {frames.data(), frames.shape()[0], config.hidden_size}, pool);
  return frames;
}

}  // namespace gemma3n
