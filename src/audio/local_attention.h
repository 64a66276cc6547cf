// SPDX-License-Identifier: Apache-2.0
// Attention of a frame to itself and the frames shortly before it (Gemma3nAudioAttention). The
// reference works in chunks; its masks leave exactly this sliding window, whatever the chunk.
#pragma once

#include "audio/audio_weights.h"
#include "base/thread_pool.h"

namespace gemma3n {

// query [frames, hidden], projected, is replaced by what is attended to; it is scaled here. key,
// value [attention_window - 1 + frames, hidden]: those of the frames before come first, of which
// the last `past` are of this clip. Each frame's sums run from the nearest key into the past: its
// bits do not depend on the number of frames.
void LocalAttention(const Tensor& key, const Tensor& value, int64_t past,
                    const ConformerBlockWeights& weights, const AudioConfig& config,
                    ThreadPool& pool, Tensor& query);

}  // namespace gemma3n
