// SPDX-License-Identifier: Apache-2.0
// The two ends of a pass: from what stands at the positions to the streams of the first layer, and
// from the streams of the last one to logits.
#pragma once

#include "model/layer.h"

namespace gemma3n {

// Fills the rotary tables for the chunk's rows, from table row 0 on.
void FillRotaryTables(Pass& pass);

// Inputs of the chunk's rows -> embedded, and streams h. Fills the rotary tables for them.
void ForwardInputs(Pass& pass);

// Streams of the chunk's rows -> what the head reads, hidden [rows, hidden_size]: merged, behind
// the final norm. `hidden` may be activations.x.
void ForwardHidden(const DecoderWeights& weights, Activations& activations, const Streams& h,
                   const Chunk& chunk, float* hidden);

// Streams of the chunk's rows -> logits [rows, vocab]. `h` may begin at a later row of the pass's
// streams than the first.
void ForwardLogits(const DecoderWeights& weights, Activations& activations, const Streams& h,
                   const Chunk& chunk, float* logits);

}  // namespace gemma3n
