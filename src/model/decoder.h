// SPDX-License-Identifier: Apache-2.0
// Token ids and soft tokens -> logits (Gemma3nForConditionalGeneration in float32, eager attention,
// cache on). A prompt is prefilled in chunks, then tokens are decoded step by step; how a sequence
// is cut into calls and chunks, and the number of threads, change no bit of the result.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/activations.h"
#include "model/chunk.h"
#include "model/draft.h"
#include "model/embedding.h"
#include "model/kv_cache.h"
#include "model/observer.h"
#include "model/submodel.h"
#include "model/weights.h"

namespace gemma3n {

// Where one sequence stands: its position and its keys and values. Any decoder over the same
// weights may continue it. Not safe to use from two threads at once.
class DecoderState {
 public:
  struct Options {
    int64_t context_length;   // positions
    int64_t max_chunk = 256;  // the longest chunk that a decoder will write; see Decoder::Options
    SlidingCache sliding_cache = SlidingCache::kRing;
    ops::KeyValueType kv_type = ops::KeyValueType::kF32;
  };
  // Throws Error (kResources) when there is not enough memory.
  DecoderState(const TextConfig& config, const Options& options);

  // What a state takes when its context is full.
  static int64_t BytesFor(const TextConfig& config, const Options& options);

  int64_t position() const { return position_; }  // how many positions have been computed
  int64_t context_length() const { return options_.context_length; }
  int64_t cache_bytes() const { return cache_.bytes(); }  // when the context is full
  // About what of that the system has not given yet: no position has been there.
  int64_t untouched_bytes() const {
    const int64_t unused = options_.context_length - std::max(highest_, position_);
    return cache_.bytes() / options_.context_length * unused;
  }

  // Forgets the positions from `position` on, if the rings still hold what the next one sees:
  // always at 0, and as long as no more than a chunk was computed beyond `position`.
  bool CanRewind(int64_t position) const;
  void Rewind(int64_t position);  // CanRewind(position)
  // Whether that will be so when the positions before `end` have been computed.
  bool CouldRewind(int64_t position, int64_t end) const {
    return position == 0 || cache_.WouldHold(position, end);
  }

  // What one position is kept as, for another state over the same weights: KvCache::CopyRowsTo and
  // TakeRows. What is taken is as if it had been computed here.
  int64_t position_bytes() const { return cache_.position_bytes(); }
  bool HoldsRows(int64_t position) const { return cache_.HoldsRows(position); }
  void CopyRowsTo(int64_t position, std::byte* rows) const { cache_.CopyRowsTo(position, rows); }
  void TakeRows(const std::byte* rows, int64_t end) {
    CHECK(position_ < end && end <= context_length());
    cache_.TakeRows(rows, end);
    ++position_;
  }

 private:
  friend class Decoder;
  Options options_;
  int64_t position_ = 0;
  int64_t highest_ = 0;  // position before it was rewound
  KvCache cache_;
  AlignedBuffer<float> softmax_scratch_;
};

struct Pass;  // layer.h

enum class LogitsWanted { kNone, kLast, kAll };

// Borrows weights and pool. One pass at a time; several decoders may share the weights.
class Decoder {
 public:
  struct Options {
    int64_t max_chunk = 256;  // positions computed together; more need more scratch
    // Compute the layers above the last one that writes keys and values only for positions whose
    // logits are wanted. Off for tests.
    bool skip_unseen = true;
    const SubmodelShape* shape = nullptr;  // the size to begin with; null: the full one
    DecoderObserver* observer = nullptr;
  };
  // `activations`: the scratch of a pass, for at least max_chunk rows, which decoders over the same
  // weights that work by turns may share; null: its own.
  Decoder(const DecoderWeights& weights, ThreadPool& pool, const Options& options,
          std::shared_ptr<Activations> activations = nullptr);
  Decoder(const DecoderWeights& weights, ThreadPool& pool) : Decoder(weights, pool, Options{}) {}

  // The size of the passes to come; at first the full one. Keys and values that a state holds stay
  // as they are. CheckShape(weights, shape) holds.
  void SetShape(const SubmodelShape& shape);
  const SubmodelShape& shape() const { return submodel_.shape; }

  // Computes the positions of `inputs`, which follow state.position(). `logits` takes
  // [inputs.size() | 1 | 0, vocab_size] floats for kAll, kLast, kNone. Throws Error (kRequest),
  // before anything is changed, for ids without embedding and when the context is too short.
  void Prefill(DecoderState& state, std::span<const DecoderInput> inputs, LogitsWanted wanted,
               std::span<float> logits);

  // The same, with what the head would read of each position instead of logits: hidden
  // [inputs.size(), hidden_size], the streams of the last layer merged, behind the final norm.
  void PrefillHidden(DecoderState& state, std::span<const DecoderInput> inputs,
                     std::span<float> hidden);

  // Of `count` >= 1 positions to come, how many are best computed together next. The chunks are
  // about equal: a short last one would read all weights for a few positions.
  int64_t NextChunk(int64_t count) const;

  // One token: logits [vocab_size]. Throws as Prefill does. Allocates nothing.
  void Step(DecoderState& state, int32_t id, std::span<float> logits);

  // One token for each of several sequences, which differ and are at most max_chunk: logits
  // [states.size(), vocab_size], row i of state i the bits that Step alone would give. Weights are
  // read once for all. Without observer. Throws as Prefill does, before anything is changed.
  void StepMany(std::span<DecoderState* const> states, std::span<const int32_t> ids,
                std::span<float> logits);
  int64_t max_chunk() const { return options_.max_chunk; }

  // Drafting with a smaller size: DraftStep is Step at `draft` size, and `kept` takes what the
  // layers that both sizes share have computed. FinishDraft computes the rest of the kept
  // positions, the last ones of the state, at this decoder's size: logits [kept.rows(),
  // vocab_size], the bits that steps at this size give. ShareLowerLayers(config, shape(),
  // draft.shape) holds.
  void DraftStep(DecoderState& state, const Submodel& draft, int32_t id, Draft& kept,
                 std::span<float> logits);
  void FinishDraft(DecoderState& state, const Draft& kept, std::span<float> logits);

  int64_t vocab_size() const { return weights_.lm_head.shape[0]; }
  int64_t hidden_size() const { return weights_.config.hidden_size; }

 private:
  void CheckRoom(const DecoderState& state, std::span<const DecoderInput> inputs) const;
  // The rows of the pass to come: those of one state, or one more state.
  void BeginRows() { sequences_.clear(); }
  void AddRows(DecoderState& state, int64_t first_position, int64_t rows);
  Pass NewPass(const Submodel& submodel, std::span<const DecoderInput> inputs);
  // Computes at most max_chunk positions, and the logits of the last `wanted` of them.
  void ForwardChunk(DecoderState& state, const Submodel& submodel,
                    std::span<const DecoderInput> inputs, int64_t wanted, Draft* draft,
                    float* logits);
  void Forward(Pass& pass, int64_t wanted, float* logits);
  void ForwardLayers(Pass& pass, int64_t wanted);

  const DecoderWeights& weights_;
  ThreadPool& pool_;
  Options options_;
  Submodel submodel_;
  std::shared_ptr<Activations> activations_;
  // Of the pass under way.
  std::vector<SequenceRows> sequences_;
  std::vector<DecoderInput> step_inputs_;
};

}  // namespace gemma3n
