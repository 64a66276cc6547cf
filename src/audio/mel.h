// SPDX-License-Identifier: Apache-2.0
// Samples -> log-mel features, frame by frame (Gemma3nAudioFeatureExtractor).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "audio/audio_config.h"
#include "audio/held_rows.h"
#include "tensor/tensor.h"

namespace gemma3n {

// Of one clip, whose samples come in pieces of any size. Not safe to use from two threads at once,
// nor are it and its copies.
class MelExtractor {
 public:
  explicit MelExtractor(const MelConfig& config);

  // The clip's next samples, at sampling_rate_hz, in [-1, 1] -> its next frames [frames,
  // feature_size]: those whose samples are all there and that the clip has however it goes on. The
  // clip ends with the `last` piece: it is padded with zeros to a multiple of pad_to_multiple_of,
  // as the reference pads a clip alone in its batch. The bits do not depend on the pieces.
  Tensor Extract(std::span<const float> samples, bool last);

 private:
  struct Fft;
  // The bins under one mel filter: they are contiguous.
  struct Filter {
    int64_t first_bin;
    std::vector<double> weights;
  };

  int64_t KnownFrames() const;
  // One frame from frame_length samples, and one more where the configuration reads it -> out
  // [feature_size].
  void ExtractFrame(const float* samples, float* out) const;

  MelConfig config_;
  std::vector<float> window_;    // [frame_length]
  std::vector<Filter> filters_;  // [feature_size]
  std::shared_ptr<Fft> fft_;     // scratch of the copies, too
  HeldRows samples_;             // from the next frame's first on
  int64_t frames_ = 0;           // extracted
};

}  // namespace gemma3n
