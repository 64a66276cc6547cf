// SPDX-License-Identifier: Apache-2.0
// Log-mel frames -> conformer frames, four to one: two strided convolutions over time and
// frequency, each with a cumulative group norm and ReLU, then a linear layer
// (Gemma3nAudioSubSampleConvProjection). Time is padded after the clip only: an output row looks
// ahead, never back.
#pragma once

#include <span>

#include "audio/audio_weights.h"
#include "base/thread_pool.h"

namespace gemma3n {

// The mean of all numbers so far.
class RunningMean {
 public:
  // Takes in `count` numbers of this sum.
  double Next(double sum, size_t count) {
    sum_ += sum;
    count_ += static_cast<int64_t>(count);
    return sum_ / static_cast<double>(count_);
  }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

// Running statistics of one clip: the mean and variance over this row and all before it. As in the
// reference, old rows keep the deviation from the mean as it was known at their own time.
class CumulativeGroupNorm {
 public:
  // x [width] of the next row of the clip, channels innermost -> y, normalized, times weight
  // [channels], ReLU.
  void NextRow(std::span<const float> x, std::span<const float> weight, float eps,
               std::span<float> y);

  // The same for all rows of a clip, the same bits.
  static void AllRows(Tensor& rows, std::span<const float> weight, float eps, ThreadPool& pool);

 private:
  RunningMean mean_, variance_;
};

// mel [frames, input_feat_size] of a whole clip -> [ceil(ceil(frames / 2) / 2), hidden] for strides
// of 2.
Tensor Subsample(const Tensor& mel, const SubsamplingWeights& weights, const AudioConfig& config,
                 ThreadPool& pool);

}  // namespace gemma3n
