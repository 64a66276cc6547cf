// SPDX-License-Identifier: Apache-2.0
// Samples -> log-mel features, frame by frame (Gemma3nAudioFeatureExtractor).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "audio/audio_config.h"
#include "tensor/tensor.h"

namespace gemma3n {

// Not safe to use from two threads at once.
class MelExtractor {
 public:
  explicit MelExtractor(const MelConfig& config);
  ~MelExtractor();

  // Samples at config().sampling_rate_hz, in [-1, 1] -> [frames, feature_size]. The clip is padded
  // with zeros to a multiple of pad_to_multiple_of, as the reference pads a clip alone in its
  // batch.
  Tensor Extract(std::span<const float> samples) const;

  // How many frames Extract makes of a clip.
  int64_t NumFrames(int64_t samples) const;
  // One frame from frame_length + 1 samples -> out [feature_size]. The same bits as in Extract.
  void ExtractFrame(const float* samples, float* out) const;

  const MelConfig& config() const { return config_; }

 private:
  struct Fft;
  // The bins under one mel filter: they are contiguous.
  struct Filter {
    int64_t first_bin;
    std::vector<double> weights;
  };

  MelConfig config_;
  std::vector<float> window_;    // [frame_length]
  std::vector<Filter> filters_;  // [feature_size]
  std::unique_ptr<Fft> fft_;
};

}  // namespace gemma3n
