// SPDX-License-Identifier: Apache-2.0
#include "audio/stream.h"

#include <algorithm>
#include <utility>

namespace gemma3n {

AudioStream::AudioStream(const MelConfig& mel, const AudioConfig& config,
                         const AudioWeights& weights, Options options)
    : config_(config),
      weights_(weights),
      options_(std::move(options)),
      most_samples_(kMostTokens * config.mel_frames_per_token() * mel.hop_length),
      mel_(mel),
      subsampling_(weights.subsampling, config),
      frames_(config.hidden_size) {
  CHECK_EQ(mel.feature_size, config.input_feat_size);
  options_.least_tokens = std::clamp<int64_t>(options_.least_tokens, 1, kMostTokens);
  for (size_t i = 0; i < weights.conformer.size(); ++i) states_.emplace_back(config);
}

void AudioStream::Show(const std::string& name, const Tensor& values) const {
  if (options_.observer) options_.observer(name, values);
}

Tensor AudioStream::Next(std::span<const float> samples, bool last, ThreadPool& pool) {
  CHECK(!finished_);
  std::vector<float> features;
  do {
    const auto piece = samples.first(std::min(samples.size(), static_cast<size_t>(most_samples_)));
    samples = samples.subspan(piece.size());
    finished_ = last && samples.empty();
    Hear(piece, finished_, pool);
    while (Waiting() >= (finished_ ? 1 : options_.least_tokens)) {
      const Tensor tokens = RunBlocks(std::min(Waiting(), kMostTokens), pool);
      features.insert(features.end(), tokens.span().begin(), tokens.span().end());
    }
  } while (!samples.empty());
  Tensor result({static_cast<int64_t>(features.size()) / config_.hidden_size, config_.hidden_size});
  std::copy(features.begin(), features.end(), result.data());
  return result;
}

// Samples become frames that wait for the blocks.
void AudioStream::Hear(std::span<const float> samples, bool last, ThreadPool& pool) {
  const Tensor mel = mel_.Extract(samples, last);
  Show("mel", mel);
  if (mel.shape()[0] == 0 && !last) return;
  const Tensor frames = subsampling_.Next(mel, last, pool);
  if (frames.shape()[0] == 0) return;
  Show("subsampling", frames);
  std::copy(frames.span().begin(), frames.span().end(), frames_.Append(frames.shape()[0]));
}

// The next tokens [tokens, hidden]: the frames up to the last one's go through the blocks. Those
// behind it wait for the next token, and are not needed where none follows.
Tensor AudioStream::RunBlocks(int64_t tokens, ThreadPool& pool) {
  const int64_t begin = tokens_ == 0 ? 0 : config_.frame_of_token(tokens_ - 1) + 1;
  const int64_t end = config_.frame_of_token(tokens_ + tokens - 1) + 1;
  Tensor x = Tensor::Unset({end - begin, config_.hidden_size});
  std::copy_n(frames_.row(begin), x.size(), x.data());
  frames_.DropBefore(end);
  ConformerScratch scratch(end - begin, config_);
  const int64_t factor = config_.reduction_factor;
  for (size_t i = 0; i < states_.size(); ++i) {
    const int64_t step = i + 1 == states_.size() ? factor : 1;
    ConformerBlock(weights_.conformer[i], config_, step, states_[i], scratch, pool, x);
    if (options_.after_block) options_.after_block(i);
    Show("conformer." + std::to_string(i), x);
  }
  if (states_.empty()) x = LastOfEvery(factor, x);
  CHECK_EQ(x.shape()[0], tokens);
  Show("features", x);
  tokens_ += tokens;
  return x;
}

}  // namespace gemma3n
