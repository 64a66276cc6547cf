// SPDX-License-Identifier: Apache-2.0
// One block of the audio encoder (Gemma3nAudioConformerBlock): half a feed-forward, attention, a
// light convolution, half a feed-forward, and a norm. It looks back only, and works on a clip in
// pieces of any number of frames: the bits are those of the clip in one piece.
#pragma once

#include "audio/audio_weights.h"
#include "base/thread_pool.h"

namespace gemma3n {

// What a block keeps of a clip's frames before the next piece, the newest last; zeros where there
// were none.
struct ConformerState {
  explicit ConformerState(const AudioConfig& config);
  ConformerState(const ConformerState& other)
      : past(other.past),
        key(other.key.Copy()),
        value(other.value.Copy()),
        gated(other.gated.Copy()) {}
  ConformerState(ConformerState&&) = default;
  int64_t past = 0;   // frames that `key` and `value` hold
  Tensor key, value;  // [attention_window - 1, hidden]
  Tensor gated;       // [conv_kernel_size - 1, hidden], what the light convolution reads
};

// Scratch of a block, sized for a piece.
struct ConformerScratch {
  ConformerScratch(int64_t frames, const AudioConfig& config);
  Tensor normed;      // [frames, hidden]
  Tensor wide;        // [frames, 4 hidden]
  Tensor query;       // [frames, hidden]
  Tensor key, value;  // [attention_window - 1 + frames, hidden], the state's first
  Tensor gated;       // [conv_kernel_size - 1 + frames, hidden], the state's first
};

// x [frames, hidden], the next of one clip, all valid -> the same, or, where `step` is more than 1,
// the last frame and every step-th before it: the others are left out where no frame needs them.
// frames >= 1, and as many as scratch is for.
void ConformerBlock(const ConformerBlockWeights& weights, const AudioConfig& config, int64_t step,
                    ConformerState& state, ConformerScratch& scratch, ThreadPool& pool, Tensor& x);

// The last row of x [rows >= 1, ..] and every step-th before it, in order.
Tensor LastOfEvery(int64_t step, const Tensor& x);

}  // namespace gemma3n
