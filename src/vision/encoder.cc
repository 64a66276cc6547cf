// SPDX-License-Identifier: Apache-2.0
#include "vision/encoder.h"

#include <algorithm>

#include "kernels/rows.h"
#include "vision/multi_scale_fusion.h"

namespace gemma3n {
namespace {

void Show(const VisionObserver& observer, const std::string& name, const FeatureMap& map) {
  if (!observer) return;
  Tensor values({map.height, map.width, map.channels});
  std::copy_n(map.values.data(), values.size(), values.data());
  observer(name, values);
}

FeatureMap RunStem(const VisionWeights& weights, const FeatureMap& pixels, ThreadPool& pool) {
  const SamePadding out =
      ComputeSamePadding(pixels.height, weights.stem.kernel_size, weights.stem.stride);
  FeatureMap stem(out.out, out.out, weights.stem.kernel.shape[0]);
  ConvolvePixels(pixels, weights.stem, 0, stem.pixels(), pool, stem.rows());
  if (!weights.stem_bias.empty()) {
    for (int64_t row = 0; row < stem.pixels(); ++row) {
      kernels::Add(stem.values.row(row), weights.stem_bias.data(), stem.channels,
                   stem.values.row(row));
    }
  }
  NormAndGelu(weights.stem_norm, stem.rows(), pool);
  return stem;
}

}  // namespace

std::unique_ptr<VisionEncoder> VisionEncoder::Load(const Checkpoint& checkpoint,
                                                   int64_t soft_tokens) {
  return std::unique_ptr<VisionEncoder>(new VisionEncoder(
      PreprocessConfig::Load(checkpoint), VisionWeights::Load(checkpoint, soft_tokens)));
}

Tensor VisionEncoder::Encode(const PixelView& image, int64_t size, ThreadPool& pool,
                             const VisionObserver& observer) const {
  CHECK_EQ(size % kSizeMultiple, 0);
  FeatureMap x(size, size, 3);
  const Tensor pixels = Preprocess(image, preprocess_, size);
  std::copy_n(pixels.data(), pixels.size(), x.values.data());
  Show(observer, "pixels", x);
  x = RunStem(weights_, x, pool);
  Show(observer, "stem", x);
  FeatureMap before_last;
  for (size_t stage = 0; stage < weights_.stages.size(); ++stage) {
    if (stage + 1 == weights_.stages.size()) before_last = x;
    for (const BlockWeights& block : weights_.stages[stage]) {
      x = RunBlock(block, std::move(x), pool);
    }
    Show(observer, "stage." + std::to_string(stage), x);
  }
  const FeatureMap features = FuseScales(weights_, before_last, x, pool);
  Show(observer, "features", features);
  Tensor result({features.pixels(), features.channels});
  std::copy_n(features.values.data(), result.size(), result.data());
  return result;
}

}  // namespace gemma3n
