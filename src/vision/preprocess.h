// SPDX-License-Identifier: Apache-2.0
// A picture's bytes -> the vision encoder's input: stretched to a square, scaled to [0, 1].
//
// The resize is that of the reference's image processor on x86 (PyTorch's antialiased bilinear
// filter for bytes): horizontal pass, then vertical, weights as 16-bit fixed-point numbers, bytes
// between the passes. Pillow's differs from it by at most one level, PyTorch's on other processors
// too.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tensor/tensor.h"

namespace gemma3n {

// The values here are Gemma 3n's own, for a model without such a file.
struct PreprocessConfig {
  int64_t size = 768;  // side of the square, pixels
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool normalize = false;
  std::array<double, 3> mean = {0.5, 0.5, 0.5}, stddev = {0.5, 0.5, 0.5};

  // From preprocessor_config.json, or the image_processor part of processor_config.json. Fields
  // that such a file leaves out take the defaults of the reference's SiglipImageProcessor. Throws
  // Error (kModel) naming the field.
  static PreprocessConfig Load(const Checkpoint& checkpoint);
  // `file` is that object. Throws Error (kModel) naming the field.
  static PreprocessConfig Parse(const JsonValue& file);
};

// Interleaved 8-bit channels, row after row.
struct PixelView {
  int64_t width, height;
  std::span<const uint8_t> rgb;  // [height * width * 3]
};

// rgb -> [out_height * out_width * 3]. Sides are at least 1.
std::vector<uint8_t> ResizeBilinear(const PixelView& image, int64_t out_width, int64_t out_height);

// -> [size, size, 3].
Tensor Preprocess(const PixelView& image, const PreprocessConfig& config, int64_t size);

}  // namespace gemma3n
