// SPDX-License-Identifier: Apache-2.0
// Sound as it comes -> features, one per 160 ms with the released sizes: log-mel, subsampling,
// conformer blocks, then every fourth frame (Gemma3nAudioEncoder and its feature extractor). A
// whole clip is a stream in one piece.
//
// Everything looks back but the subsampling, which looks ahead by six mel frames, so token k is
// known with the 1472 samples from 2560 k on. What is kept does not grow with the stream. The bits
// depend neither on the pieces nor on the number of threads.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "audio/audio_weights.h"
#include "audio/conformer.h"
#include "audio/held_rows.h"
#include "audio/mel.h"
#include "audio/subsampling.h"

namespace gemma3n {

// Receives named intermediates: "mel", "subsampling", "conformer.0", ..., "features". They come in
// the pieces in which they are computed: a clip of up to AudioStream::kMostTokens in one. Frames
// behind the last token's are not computed, and the last block's output is that of the tokens.
using AudioObserver = std::function<void(const std::string& name, const Tensor& values)>;

// One clip, from its first sample to its last. Not safe to use from two threads at once; streams of
// the same weights do not know of each other. A copy goes on by itself from where the stream
// stands: what the clip would be if it ended there, say.
class AudioStream {
 public:
  // Tokens that the blocks compute at once at most, which bounds memory: what 30 s give, and a few.
  static constexpr int64_t kMostTokens = 192;

  struct Options {
    // Known tokens wait until there are so many (or kMostTokens, or the end): each time the blocks
    // run, all their weights are read.
    int64_t least_tokens = 1;
    // May be empty. The second is told which block's weights have been read, each time.
    AudioObserver observer;
    std::function<void(size_t block)> after_block;
  };

  // `config` and `weights` must outlive the stream.
  AudioStream(const MelConfig& mel, const AudioConfig& config, const AudioWeights& weights,
              Options options);
  AudioStream(const MelConfig& mel, const AudioConfig& config, const AudioWeights& weights)
      : AudioStream(mel, config, weights, Options()) {}

  // The next samples, mono, in [-1, 1], any number of them -> the tokens that are known and not yet
  // given, [tokens >= 0, hidden_size].
  Tensor Push(std::span<const float> samples, ThreadPool& pool) {
    return Next(samples, false, pool);
  }
  // The last samples, maybe none -> the rest of the tokens. Nothing may follow.
  Tensor Finish(std::span<const float> samples, ThreadPool& pool) {
    return Next(samples, true, pool);
  }
  Tensor Finish(ThreadPool& pool) { return Finish({}, pool); }

  int64_t tokens() const { return tokens_; }  // given so far

 private:
  Tensor Next(std::span<const float> samples, bool last, ThreadPool& pool);
  void Hear(std::span<const float> samples, bool last, ThreadPool& pool);
  Tensor RunBlocks(int64_t tokens, ThreadPool& pool);
  void Show(const std::string& name, const Tensor& values) const;
  int64_t Waiting() const { return config_.TokensOf(frames_.end()) - tokens_; }

  const AudioConfig& config_;
  const AudioWeights& weights_;
  Options options_;
  int64_t most_samples_;  // that are taken at once
  MelExtractor mel_;
  Subsampling subsampling_;
  HeldRows frames_;                     // [.., hidden], that the blocks have not seen
  std::vector<ConformerState> states_;  // of the blocks
  int64_t tokens_ = 0;
  bool finished_ = false;
};

}  // namespace gemma3n
