// SPDX-License-Identifier: Apache-2.0
// An audio encoder with random weights in memory, for tests and benchmarks: any shape, no file.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "audio/audio_weights.h"
#include "base/aligned_buffer.h"
#include "tiny/random_numbers.h"

namespace gemma3n {

// The released sizes.
AudioConfig FullAudioConfig();
// The released strides and windows, three blocks of 256 numbers, few channels.
AudioConfig TinyAudioConfig();

class RandomAudio {
 public:
  // Matrices are stored as `dtype`, floats or tiles, and scaled so that every product has magnitude
  // 1.
  RandomAudio(const AudioConfig& config, uint64_t seed, DType dtype);
  const AudioConfig& config() const { return config_; }
  const AudioWeights& weights() const { return weights_; }

 private:
  TensorView Matrix(int64_t out, int64_t in);
  void FillTiles(std::byte* data, int64_t out, int64_t in);
  Tensor Floats(int64_t rows, int64_t columns, float scale);
  std::vector<float> Norm(int64_t size);
  ConformerFeedForwardWeights FeedForward();
  ConformerBlockWeights Block();

  AudioConfig config_;
  DType dtype_;
  RandomNumbers random_;
  std::deque<AlignedBuffer<std::byte>> memory_;
  AudioWeights weights_;
};

}  // namespace gemma3n
