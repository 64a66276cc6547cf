// SPDX-License-Identifier: Apache-2.0
// One block of the audio encoder (Gemma3nAudioConformerBlock): half a feed-forward, attention, a
// light convolution, half a feed-forward, and a norm.
#pragma once

#include "audio/audio_weights.h"
#include "base/thread_pool.h"

namespace gemma3n {

// Scratch of a block, sized for a clip.
struct ConformerScratch {
  ConformerScratch(int64_t frames, const AudioConfig& config);
  Tensor normed;                       // [frames, hidden]
  Tensor wide;                         // [frames, 4 hidden]
  Tensor query, key, value, attended;  // [frames, hidden]
};

// x [frames, hidden] in place. All frames are of one clip and valid.
void ConformerBlock(const ConformerBlockWeights& weights, const AudioConfig& config,
                    ConformerScratch& scratch, ThreadPool& pool, Tensor& x);

}  // namespace gemma3n
