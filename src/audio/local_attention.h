// SPDX-License-Identifier: Apache-2.0
// Attention of a frame to itself and the frames shortly before it (Gemma3nAudioAttention). The
// reference works in chunks; its masks leave exactly this sliding window, whatever the chunk.
#pragma once

#include "audio/audio_weights.h"
#include "base/thread_pool.h"

namespace gemma3n {

// query, key, value [frames, hidden], projected -> out [frames, hidden]. The query is scaled here.
// Each frame's sums run from the nearest key into the past: its bits do not depend on the number of
// frames.
void LocalAttention(const Tensor& query, const Tensor& key, const Tensor& value,
                    const ConformerBlockWeights& weights, const AudioConfig& config,
                    ThreadPool& pool, Tensor& out);

}  // namespace gemma3n
