// SPDX-License-Identifier: Apache-2.0
// The audio encoder of a checkpoint: features of whole clips, and streams (stream.h).
#pragma once

#include <memory>
#include <span>

#include "audio/audio_config.h"
#include "audio/audio_weights.h"
#include "audio/stream.h"

namespace gemma3n {

// Immutable after loading.
class AudioEncoder {
 public:
  // Throws Error (kModel). The checkpoint must outlive the encoder.
  static std::unique_ptr<AudioEncoder> Load(const Checkpoint& checkpoint, ThreadPool& pool);

  // Samples at sampling_rate_hz(), mono, in [-1, 1] -> features [NumTokens, hidden_size]. A clip
  // too short for one frame gives none. Blocks give their weights' pages back when they are done,
  // so that one is in memory at a time.
  Tensor Encode(std::span<const float> samples, ThreadPool& pool,
                const AudioObserver& observer = nullptr) const;
  // For a clip that is still being said: features as they become known, `least_tokens` or more at
  // a time. The encoder must outlive it. It gives no pages back.
  AudioStream Stream(int64_t least_tokens = 1) const;

  int64_t NumTokens(int64_t samples) const;
  // The longest clip, in samples, that gives no more than `tokens` tokens and that the reference's
  // feature extractor takes whole.
  int64_t MostSamples(int64_t tokens) const;
  int64_t sampling_rate_hz() const { return mel_.sampling_rate_hz; }
  int64_t hidden_size() const { return config_.hidden_size; }

 private:
  AudioEncoder(const Checkpoint& checkpoint, const MelConfig& mel, const AudioConfig& config)
      : checkpoint_(checkpoint), config_(config), mel_(mel) {}

  const Checkpoint& checkpoint_;
  AudioConfig config_;
  MelConfig mel_;
  AudioWeights weights_;
};

}  // namespace gemma3n
