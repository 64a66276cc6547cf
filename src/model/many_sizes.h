// SPDX-License-Identifier: Apache-2.0
// Many sizes of a model over one sequence, in one pass: sizes that begin with the same layers at
// the same widths share what these compute, keys and values included, and part where they differ.
// What one narrow layer costs in quality is so found for about half a pass, and for layers above
// the last one that writes keys and values without the prompt.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/activations.h"
#include "model/ends.h"
#include "model/kv_cache.h"
#include "model/submodel.h"

namespace gemma3n {

class ManySizes {
 public:
  struct Options {
    int64_t max_rows;         // the longest sequence
    int64_t logit_rows = 64;  // positions whose logits are given together
    ops::KeyValueType kv_type = ops::KeyValueType::kF32;
  };
  // Throws Error (kResources) when there is not enough memory.
  ManySizes(const DecoderWeights& weights, ThreadPool& pool, const Options& options);

  // About what that takes.
  static int64_t BytesFor(const TextConfig& config, const Options& options);

  // Logits [rows, vocabulary] of the positions from `first_row` of the `wanted` last ones on.
  using Take = std::function<void(size_t size, int64_t first_row, std::span<const float> logits)>;
  // `between` is asked before each layer and cancels with false.
  using Between = std::function<bool()>;

  // Every size over `inputs`, from position 0 on: logits of the last `wanted` positions, the same
  // bits as Decoder's with that size. CheckShape holds for all. Returns false when cancelled.
  // Throws Error (kRequest) for ids without embedding.
  bool Run(std::span<const DecoderInput> inputs, int64_t wanted,
           std::span<const SubmodelShape> shapes, const Take& take, const Between& between);

  int64_t vocab_size() const { return weights_.lm_head.shape[0]; }

 private:
  using Group = std::vector<size_t>;  // sizes whose layers up to here are the same
  // Where a group stands: the rows that are still computed.
  struct Place {
    size_t layers_done;
    std::span<const DecoderInput> inputs;
    int64_t first_position;
  };

  bool Walk(const Group& group, const Place& place);
  bool WalkOn(const Group& group, const Place& place);
  std::vector<Group> Split(const Group& group, size_t layers_done) const;
  void GiveLogits(const Group& group, const Place& place);
  Pass PassAt(const Place& place, size_t size);
  std::vector<float> SaveStreams(int64_t rows);
  void RestoreStreams(const std::vector<float>& saved, int64_t rows);

  const DecoderWeights& weights_;
  ThreadPool& pool_;
  Options options_;
  Activations activations_;
  KvCache cache_;
  AlignedBuffer<float> softmax_scratch_;
  SequenceRows rows_;  // of the pass under way
  std::vector<float> logits_;
  // Of the run under way.
  std::vector<float> embedded_;  // [inputs, hidden]
  std::vector<Submodel> submodels_;
  size_t all_rows_ = 0;
  int64_t wanted_ = 0;
  const Take* take_ = nullptr;
  const Between* between_ = nullptr;
};

}  // namespace gemma3n
