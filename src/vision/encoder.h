// SPDX-License-Identifier: Apache-2.0
// A picture -> features, one row per soft token, row after row of the grid (MobileNetV5Encoder).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "vision/preprocess.h"
#include "vision/vision_weights.h"

namespace gemma3n {

// Receives named intermediates as [height, width, channels]: "pixels", "stem", "stage.0", ...,
// "features".
using VisionObserver = std::function<void(const std::string& name, const Tensor& values)>;

// Immutable after loading.
class VisionEncoder {
 public:
  // Throws Error (kModel). The checkpoint must outlive the encoder.
  static std::unique_ptr<VisionEncoder> Load(const Checkpoint& checkpoint, int64_t soft_tokens);

  // `size` is the side the picture is stretched to, a multiple of kSizeMultiple.
  // -> features [soft tokens, hidden_size], not multiplied by the square root of their width, which
  // the reference does on the way to the decoder.
  Tensor Encode(const PixelView& image, int64_t size, ThreadPool& pool,
                const VisionObserver& observer = nullptr) const;

  static constexpr int64_t kSizeMultiple = 32;
  int64_t default_size() const { return preprocess_.size; }
  int64_t hidden_size() const { return weights_.fusion_proj.conv.shape[0]; }

 private:
  VisionEncoder(PreprocessConfig preprocess, VisionWeights weights)
      : preprocess_(preprocess), weights_(std::move(weights)) {}

  PreprocessConfig preprocess_;
  VisionWeights weights_;
};

}  // namespace gemma3n
