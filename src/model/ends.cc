// SPDX-License-Identifier: Apache-2.0
#include "model/ends.h"

#include <algorithm>

#include "kernels/rows.h"
#include "ops/norm.h"

namespace gemma3n {
namespace {

// logits = cap * tanh(logits / cap), in pieces of fixed size.
void SoftCapAll(float cap, std::span<float> logits, ThreadPool& pool) {
  constexpr size_t kPiece = 4096;  // floats; a multiple of every vector length
  pool.ParallelFor((logits.size() + kPiece - 1) / kPiece, [&](size_t piece) {
    float* begin = logits.data() + piece * kPiece;
    kernels::SoftCap(begin, cap, std::min(kPiece, logits.size() - piece * kPiece), begin);
  });
}

}  // namespace

void FillRotaryTables(Pass& pass) {
  int64_t row = 0;
  for (const SequenceRows& sequence : pass.chunk.sequences) {
    for (ops::RopeTable* table : {&pass.activations.rope_sliding, &pass.activations.rope_full}) {
      table->Fill({sequence.first_position, sequence.rows, row}, pass.chunk.pool);
    }
    row += sequence.rows;
  }
}

void ForwardInputs(Pass& pass) {
  Activations& act = pass.activations;
  const Chunk& chunk = pass.chunk;
  FillRotaryTables(pass);
  Embed(pass.weights.embedding, pass.inputs, chunk, act.modality.span(), act.embedded.data());
  chunk.Observe("embedding", act.embedded.data(), act.hidden);
  std::copy_n(act.embedded.data(), chunk.rows * act.hidden, act.h().row(0, 0));
  ExpandStreams(pass.weights.altup_projections, act.h(), chunk);
  ObserveStreams(act.h(), chunk);
}

void ForwardHidden(const DecoderWeights& weights, Activations& act, const Streams& h,
                   const Chunk& chunk, float* hidden) {
  float* merged = act.x.data();
  MergeStreams(weights.altup_unembed_projections, h, chunk, act.part.data(), merged);
  chunk.Observe("merged", merged, act.hidden);
  ops::RmsNorm({merged, chunk.rows, act.hidden}, weights.norm, weights.config.rms_norm_eps,
               {hidden, chunk.rows, act.hidden}, chunk.pool);
  chunk.Observe("merged_normed", hidden, act.hidden);
}

void ForwardLogits(const DecoderWeights& weights, Activations& act, const Streams& h,
                   const Chunk& chunk, float* logits) {
  const int64_t vocabulary = weights.lm_head.shape[0];
  float* hidden = act.x.data();
  ForwardHidden(weights, act, h, chunk, hidden);
  ops::Linear({hidden, chunk.rows, act.hidden}, weights.lm_head, {logits, chunk.rows, vocabulary},
              chunk.pool);
  chunk.Observe("logits_uncapped", logits, vocabulary);
  const float cap = weights.config.final_logit_softcapping;
  if (cap > 0) {
    SoftCapAll(cap, {logits, static_cast<size_t>(chunk.rows * vocabulary)}, chunk.pool);
  }
  chunk.Observe("logits", logits, vocabulary);
}

}  // namespace gemma3n
