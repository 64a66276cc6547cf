// SPDX-License-Identifier: Apache-2.0
// A whole clip of sound -> features, one per 160 ms with the released sizes: log-mel, subsampling,
// conformer blocks, then every fourth frame (Gemma3nAudioEncoder and its feature extractor).
//
// Everything but the subsampling's short look-ahead is causal and computed row by row in an order
// that does not depend on the clip's length, so that the same functions can serve a stream.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "audio/audio_config.h"
#include "audio/audio_weights.h"
#include "audio/mel.h"

namespace gemma3n {

// Receives named intermediates: "mel", "subsampling", "conformer.0", ..., "features".
using AudioObserver = std::function<void(const std::string& name, const Tensor& values)>;

// Immutable after loading, but for the extractor's scratch: one clip at a time.
class AudioEncoder {
 public:
  // Throws Error (kModel). The checkpoint must outlive the encoder.
  static std::unique_ptr<AudioEncoder> Load(const Checkpoint& checkpoint, ThreadPool& pool);

  // Samples at sampling_rate_hz(), mono, in [-1, 1] -> features [NumTokens, hidden_size]. A clip
  // too short for one frame gives none. Blocks give their weights' pages back when they are done,
  // so that one is in memory at a time.
  Tensor Encode(std::span<const float> samples, ThreadPool& pool,
                const AudioObserver& observer = nullptr) const;

  int64_t NumTokens(int64_t samples) const;
  // The longest clip, in samples, that gives no more than `tokens` tokens and that the reference's
  // feature extractor takes whole.
  int64_t MostSamples(int64_t tokens) const;
  int64_t sampling_rate_hz() const { return mel_.config().sampling_rate_hz; }
  int64_t hidden_size() const { return config_.hidden_size; }

 private:
  AudioEncoder(const Checkpoint& checkpoint, const MelConfig& mel, const AudioConfig& config)
      : checkpoint_(checkpoint), config_(config), mel_(mel) {}

  const Checkpoint& checkpoint_;
  AudioConfig config_;
  MelExtractor mel_;
  AudioWeights weights_;
};

}  // namespace gemma3n
