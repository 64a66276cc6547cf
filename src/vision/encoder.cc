// SPDX-License-Identifier: Apache-2.0
#include "vision/encoder.h"

#include <algorithm>

#include "kernels/encoder_rows.h"
#include "kernels/float_dot.h"
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

// Three channels give patches of 27 numbers: they and the kernel are padded with zeros to whole
// vectors, which changes no bits.
FeatureMap RunStem(const VisionWeights& weights, const FeatureMap& pixels, ThreadPool& pool) {
  const Patches patches(pixels, weights.stem.kernel_size, weights.stem.stride);
  const int64_t channels = weights.stem.kernel.shape[0], taps = weights.stem.kernel.shape[1];
  const int64_t depth = (taps + 15) / 16 * 16;
  Tensor kernel({channels, depth});
  for (int64_t row = 0; row < channels; ++row) {
    CopyToFloat(weights.stem.kernel.Rows(row, row + 1),
                {kernel.row(row), static_cast<size_t>(taps)});
  }
  FeatureMap stem = FeatureMap::Unset(patches.out_height(), patches.out_width(), channels);
  constexpr int64_t kPixelsPerPiece = 96;
  pool.ParallelFor((stem.pixels() + kPixelsPerPiece - 1) / kPixelsPerPiece, [&](size_t piece) {
    const int64_t begin = static_cast<int64_t>(piece) * kPixelsPerPiece;
    const int64_t rows = std::min(kPixelsPerPiece, stem.pixels() - begin);
    thread_local std::vector<float> memory;
    memory.assign(static_cast<size_t>(kPixelsPerPiece * depth), 0.0f);
    for (int64_t i = 0; i < rows; ++i) patches.Copy(begin + i, memory.data() + i * depth);
    const size_t in = static_cast<size_t>(depth), out = static_cast<size_t>(channels);
    kernels::DotTile(memory.data(), kernel.data(),
                     {static_cast<size_t>(rows), out, in, in, in, out}, stem.values.row(begin));
    for (int64_t i = begin; i < begin + rows; ++i) {
      float* row = stem.values.row(i);
      if (!weights.stem_bias.empty()) kernels::Add(row, weights.stem_bias.data(), out, row);
      kernels::RmsNormGelu(row, weights.stem_norm.data(), kVisionNormEps, out, row);
    }
  });
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
  VisionPass pass = Begin(image, size, observer);
  while (pass.Advance(pool, observer)) {
  }
  return pass.TakeFeatures();
}

VisionPass VisionEncoder::Begin(const PixelView& image, int64_t size,
                                const VisionObserver& observer) const {
  CHECK_EQ(size % kSizeMultiple, 0);
  FeatureMap x(size, size, 3);
  const Tensor pixels = Preprocess(image, preprocess_, size);
  std::copy_n(pixels.data(), pixels.size(), x.values.data());
  Show(observer, "pixels", x);
  return VisionPass(weights_, std::move(x));
}

bool VisionPass::Advance(ThreadPool& pool, const VisionObserver& observer) {
  if (!stem_done_) {
    x_ = RunStem(weights_, x_, pool);
    Show(observer, "stem", x_);
    stem_done_ = true;
    return true;
  }
  const auto& stages = weights_.stages;
  if (stage_ == stages.size()) return Fuse(pool, observer);
  if (block_ == 0 && stage_ + 1 == stages.size()) before_last_ = x_;
  if (block_ < stages[stage_].size()) x_ = RunBlock(stages[stage_][block_++], std::move(x_), pool);
  if (block_ >= stages[stage_].size()) {
    Show(observer, "stage." + std::to_string(stage_), x_);
    ++stage_;
    block_ = 0;
  }
  return true;
}

bool VisionPass::Fuse(ThreadPool& pool, const VisionObserver& observer) {
  constexpr int64_t kPieces = 4;
  const FeatureMap& fine = before_last_;
  if (fused_rows_ == 0) {
    fused_ = FeatureMap::Unset(fine.height, fine.width, weights_.fusion_proj.conv.shape[0]);
  }
  const int64_t end = std::min(fine.height, fused_rows_ + (fine.height + kPieces - 1) / kPieces);
  FuseRows(weights_, fine, x_, fused_rows_, end, fused_, pool);
  fused_rows_ = end;
  if (end < fine.height) return true;
  const FeatureMap features = ToSoftTokenGrid(weights_, std::move(fused_), pool);
  Show(observer, "features", features);
  features_ = Tensor({features.pixels(), features.channels});
  std::copy_n(features.values.data(), features_.size(), features_.data());
  return false;
}

}  // namespace gemma3n
