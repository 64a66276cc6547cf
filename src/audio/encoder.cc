// SPDX-License-Identifier: Apache-2.0
#include "audio/encoder.h"

#include <algorithm>

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
  return config_.TokensOf(frames);
}

int64_t AudioEncoder::MostSamples(int64_t tokens) const {
  // Samples that make exactly tokens * (frames per token) frames, rounded up to the padding.
  const int64_t frames = tokens * config_.mel_frames_per_token();
  const int64_t end = frames * mel_.hop_length + mel_.frame_length + 1;  // one frame too many
  return std::min(kMostSamples, (end - 1) / mel_.pad_to_multiple_of * mel_.pad_to_multiple_of);
}

Tensor AudioEncoder::Encode(std::span<const float> samples, ThreadPool& pool,
                            const AudioObserver& observer) const {
  const auto give_back = [this](size_t block) {
    checkpoint_.GiveBack(AudioWeights::BlockPrefix(block));
  };
  AudioStream stream(mel_, config_, weights_, {AudioStream::kMostTokens, observer, give_back});
  return stream.Finish(samples, pool);
}

AudioStream AudioEncoder::Stream(int64_t least_tokens) const {
  return AudioStream(mel_, config_, weights_, {.least_tokens = least_tokens});
}

}  // namespace gemma3n
