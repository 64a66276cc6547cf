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

class VisionEncoder;

// A picture on its way through the encoder, a piece at a time, so that other work may be done in
// between: the stem, each block, a quarter of the fusion of scales. The encoder and its weights
// outlive it.
class VisionPass {
 public:
  // Computes the next piece; false when that was the last.
  bool Advance(ThreadPool& pool, const VisionObserver& observer = nullptr);
  // When it was: as VisionEncoder::Encode.
  Tensor TakeFeatures() { return std::move(features_); }

 private:
  friend class VisionEncoder;
  VisionPass(const VisionWeights& weights, FeatureMap pixels)
      : weights_(weights), x_(std::move(pixels)) {}

  bool Fuse(ThreadPool& pool, const VisionObserver& observer);  // its next piece

  const VisionWeights& weights_;
  FeatureMap x_, before_last_;  // the second: before the last stage
  FeatureMap fused_;            // rows [0, fused_rows_) of before_last_'s grid
  int64_t fused_rows_ = 0;
  bool stem_done_ = false;
  size_t stage_ = 0, block_ = 0;  // the next one
  Tensor features_;
};

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
  // The same in pieces; the picture is not read any more.
  VisionPass Begin(const PixelView& image, int64_t size,
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
