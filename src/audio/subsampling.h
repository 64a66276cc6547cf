// SPDX-License-Identifier: Apache-2.0
// Log-mel frames -> conformer frames, four to one: two strided convolutions over time and
// frequency, each with a cumulative group norm and ReLU, then a linear layer
// (Gemma3nAudioSubSampleConvProjection). Time is padded after the clip only: an output row looks
// ahead, never back.
#pragma once

#include <span>
#include <vector>

#include "audio/audio_weights.h"
#include "audio/held_rows.h"
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
  // The next rows of the clip, [count, width], channels innermost, in place: normalized, times
  // weight [channels], ReLU. The bits do not depend on how many come at once.
  void NextRows(float* rows, size_t count, size_t width, std::span<const float> weight, float eps,
                ThreadPool& pool);

 private:
  RunningMean mean_, variance_;
};

// Of one clip, whose frames come in pieces of any size.
class Subsampling {
 public:
  // Both must outlive this.
  Subsampling(const SubsamplingWeights& weights, const AudioConfig& config);

  // The clip's next mel frames [frames, input_feat_size] -> its next conformer frames [.., hidden]:
  // those of which all that they look ahead to is there, or, with the clip's `last` frames, the
  // rest: ceil(ceil(frames / 2) / 2) of a clip for strides of 2. The bits do not depend on the
  // pieces.
  Tensor Next(const Tensor& mel, bool last, ThreadPool& pool);

 private:
  struct Layer {
    HeldRows input;    // [.., frequencies * channels]
    int64_t rows = 0;  // of output so far
    CumulativeGroupNorm norm;
  };

  const SubsamplingWeights& weights_;
  const AudioConfig& config_;
  std::vector<Layer> layers_;
};

}  // namespace gemma3n
