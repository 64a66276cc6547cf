// SPDX-License-Identifier: Apache-2.0
#include "audio/encoder.h"

#include <algorithm>

#include "audio/conformer.h"
#include "audio/subsampling.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// Where Gemma3nAudioFeatureExtractor cuts a clip off (its max_length): 30 s.
constexpr int64_t kMostSamples = 480'000;

}  // namespace

std::unique_ptr<AudioEncoder> AudioEncoder::Load(const Checkpoint& checkpoint, ThreadPool& pool) {
  const AudioConfig config = AudioConfig::Parse(checkpoint.config()["audio_config"]);
  const MelConfig mel = MelConfig::Load(checkpoint);
  if (mel.feature_size != config.input_feat_size) {
    checkpoint.config()["audio_config"]["input_feat_size"].Fail(
        "the feature extractor's feature_size, " + std::to_string(mel.feature_size));
  }
  auto encoder = std::unique_ptr<AudioEncoder>(new AudioEncoder(checkpoint, mel, config));
  encoder->weights_ = AudioWeights::Load(checkpoint, config, pool);
  return encoder;
}

int64_t AudioEncoder::NumTokens(int64_t samples) const {
  int64_t frames = mel_.NumFrames(samples);
  for (const AudioConfig::Convolution& conv : config_.convolutions) {
    frames = (frames + conv.stride_time - 1) / conv.stride_time;
  }
  return (frames + config_.reduction_factor - 1) / config_.reduction_factor;
}

int64_t AudioEncoder::MostSamples(int64_t tokens) const {
  // Samples that make exactly tokens * (frames per token) frames, rounded up to the padding.
  int64_t frames = tokens * config_.reduction_factor;
  for (const AudioConfig::Convolution& conv : config_.convolutions) frames *= conv.stride_time;
  const MelConfig& mel = mel_.config();
  const int64_t end = frames * mel.hop_length + mel.frame_length + 1;  // one frame too many
  return std::min(kMostSamples, (end - 1) / mel.pad_to_multiple_of * mel.pad_to_multiple_of);
}

Tensor AudioEncoder::Encode(std::span<const float> samples, ThreadPool& pool,
                            const AudioObserver& observer) const {
  const auto show = [&](const std::string& name, const Tensor& values) {
    if (observer) observer(name, values);
  };
  const Tensor mel = mel_.Extract(samples);
  show("mel", mel);
  if (mel.shape()[0] == 0) return Tensor({0, config_.hidden_size});
  Tensor frames = Subsample(mel, weights_.subsampling, config_, pool);
  show("subsampling", frames);
  ConformerScratch scratch(frames.shape()[0], config_);
  for (size_t i = 0; i < weights_.conformer.size(); ++i) {
    ConformerBlock(weights_.conformer[i], config_, scratch, pool, frames);
    checkpoint_.GiveBack(AudioWeights::BlockPrefix(i));
    show("conformer." + std::to_string(i), frames);
  }
  const int64_t factor = config_.reduction_factor;
  const int64_t tokens = (frames.shape()[0] + factor - 1) / factor;
  Tensor features({tokens, config_.hidden_size});
  for (int64_t token = 0; token < tokens; ++token) {
    std::copy_n(frames.row(token * factor), config_.hidden_size, features.row(token));
  }
  show("features", features);
  return features;
}

}  // namespace gemma3n
