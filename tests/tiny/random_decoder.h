// SPDX-License-Identifier: Apache-2.0
// A decoder with random weights in memory, for tests and benchmarks: any shape, no file.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "model/config.h"
#include "model/weights.h"
#include "tiny/random_numbers.h"

namespace gemma3n {

// Every mechanism of Gemma 3n in seven layers: sliding and full layers, sharing, sparsity.
TextConfig TinyConfig();

class RandomDecoder {
 public:
  // Matrices are stored as `dtype` and scaled so that every product has magnitude 1.
  RandomDecoder(const TextConfig& config, uint64_t seed, DType dtype);
  const DecoderWeights& weights() const { return weights_; }

 private:
  TensorView Matrix(int64_t out, int64_t in);
  std::vector<float> Norm(int64_t size);
  std::vector<float> Small(int64_t size, float scale);
  LayerWeights Layer(int layer);

  DType dtype_;
  RandomNumbers random_;
  std::vector<AlignedBuffer<std::byte>> memory_;
  DecoderWeights weights_;
};

}  // namespace gemma3n
