// SPDX-License-Identifier: Apache-2.0
#include "vision/preprocess.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

constexpr int64_t kBilinear = 2;  // PIL.Image.Resampling.BILINEAR
// What SiglipImageProcessor takes where its file says nothing.
constexpr int64_t kClassResample = 3;  // bicubic
constexpr int64_t kClassSize = 224;
constexpr int kMostPrecisionBits = 22;  // so that sums of byte * weight stay within 32 bits

// Which input pixels an output pixel is made of, and how much of each.
struct Taps {
  std::vector<int64_t> first;                 // [out]
  std::vector<std::vector<int16_t>> weights;  // [out][taps]
  int precision_bits;
};

Taps ComputeTaps(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);  // the filter widens only when shrinking
  std::vector<std::vector<double>> exact(out);
  Taps taps;
  double largest = 0;
  for (int64_t i = 0; i < out; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t low = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t high = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in);
    double total = 0;
    for (int64_t j = low; j < high; ++j) {
      const double distance = (static_cast<double>(j) - center + 0.5) / support;
      exact[i].push_back(std::max(0.0, 1.0 - std::abs(distance)));
      total += exact[i].back();
    }
    for (double& weight : exact[i]) {
      if (total != 0) weight /= total;
      largest = std::max(largest, weight);
    }
    taps.first.push_back(low);
  }
  taps.precision_bits = 0;
  while (taps.precision_bits < kMostPrecisionBits &&
         static_cast<int64_t>(0.5 + largest * static_cast<double>(1 << (taps.precision_bits + 1))) <
             (1 << 15)) {
    ++taps.precision_bits;
  }
  const double one = static_cast<double>(1 << taps.precision_bits);
  for (const std::vector<double>& weights : exact) {
    taps.weights.emplace_back();
    for (double weight : weights) {
      taps.weights.back().push_back(static_cast<int16_t>(std::floor(weight * one + 0.5)));
    }
  }
  return taps;
}

uint8_t Round(int64_t sum, int precision_bits) {
  return static_cast<uint8_t>(std::clamp<int64_t>(sum >> precision_bits, 0, 255));
}

// Lines of `in` elements of `stride` bytes apart, `channels` bytes each -> lines of `out`.
struct Pass {
  int64_t lines, line_stride_in, line_stride_out;
  int64_t step_in, step_out;  // bytes between neighbours along the line
};

void Resample(const Taps& taps, const Pass& pass, const uint8_t* in, uint8_t* out) {
  const int64_t half = int64_t{1} << (taps.precision_bits - 1);
  for (int64_t line = 0; line < pass.lines; ++line) {
    const uint8_t* source = in + line * pass.line_stride_in;
    uint8_t* target = out + line * pass.line_stride_out;
    for (size_t i = 0; i < taps.first.size(); ++i, target += pass.step_out) {
      for (int channel = 0; channel < 3; ++channel) {
        const uint8_t* pixel = source + taps.first[i] * pass.step_in + channel;
        int64_t sum = half;
        for (int16_t weight : taps.weights[i]) {
          sum += int64_t{weight} * *pixel;
          pixel += pass.step_in;
        }
        target[channel] = Round(sum, taps.precision_bits);
      }
    }
  }
}

}  // namespace

PreprocessConfig PreprocessConfig::Load(const Checkpoint& checkpoint) {
  JsonValue file = checkpoint.Json("processor_config.json")["image_processor"];
  if (!file.IsObject()) file = checkpoint.Json("preprocessor_config.json");
  return Parse(file);
}

PreprocessConfig PreprocessConfig::Parse(const JsonValue& file) {
  PreprocessConfig config;
  if (!file.IsObject()) return config;
  const JsonValue size = file["size"];
  config.size = size["height"].IntOr(kClassSize, 32, 4096);
  if (config.size % 32 != 0) size["height"].Fail("a multiple of 32, the encoder's stride");
  if (size["width"].IntOr(kClassSize) != config.size) {
    size["width"].Fail("the same as height: a square");
  }
  if (file["resample"].IntOr(kClassResample) != kBilinear) {
    file["resample"].Fail("2 (bilinear), the only filter here; a missing one means bicubic");
  }
  if (!file["do_resize"].BoolOr(true)) file["do_resize"].Fail("true");
  config.rescale = file["do_rescale"].BoolOr(true);
  config.rescale_factor = file["rescale_factor"].NumberOr(1.0 / 255.0, 1e-9, 1e3);
  config.normalize = file["do_normalize"].BoolOr(true);
  const auto channels = [&](const char* name, std::array<double, 3>& out, double least) {
    if (!file.Has(name)) return;
    const std::vector<JsonValue> items = file[name].Items();
    if (items.size() != 3) file[name].Fail("three numbers");
    for (size_t i = 0; i < 3; ++i) out[i] = items[i].Number(least, 1e6);
  };
  channels("image_mean", config.mean, -1e6);
  channels("image_std", config.stddev, 1e-9);
  return config;
}

std::vector<uint8_t> ResizeBilinear(const PixelView& image, int64_t out_width, int64_t out_height) {
  CHECK_EQ(static_cast<int64_t>(image.rgb.size()), image.width * image.height * 3);
  std::vector<uint8_t> wide;
  const uint8_t* rows = image.rgb.data();
  if (out_width != image.width) {
    wide.resize(static_cast<size_t>(out_width * image.height * 3));
    Resample(ComputeTaps(image.width, out_width),
             {image.height, image.width * 3, out_width * 3, 3, 3}, rows, wide.data());
    rows = wide.data();
  }
  std::vector<uint8_t> out(static_cast<size_t>(out_width * out_height * 3));
  if (out_height == image.height) {
    std::copy_n(rows, out.size(), out.data());
  } else {
    Resample(ComputeTaps(image.height, out_height), {out_width, 3, 3, out_width * 3, out_width * 3},
             rows, out.data());
  }
  return out;
}

Tensor Preprocess(const PixelView& image, const PreprocessConfig& config, int64_t size) {
  const std::vector<uint8_t> bytes = ResizeBilinear(image, size, size);
  Tensor pixels({size, size, 3});
  std::array<float, 3> scale, shift;
  for (size_t c = 0; c < 3; ++c) {
    // The reference folds the rescaling into the normalization: (x - mean / f) / (std / f).
    const double factor = config.rescale ? config.rescale_factor : 1.0;
    scale[c] = static_cast<float>(config.normalize ? config.stddev[c] / factor : factor);
    shift[c] = static_cast<float>(config.normalize ? config.mean[c] / factor : 0.0);
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const float byte = static_cast<float>(bytes[i]);
    pixels.data()[i] =
        config.normalize ? (byte - shift[i % 3]) / scale[i % 3] : byte * scale[i % 3];
  }
  return pixels;
}

}  // namespace gemma3n
