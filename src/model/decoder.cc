// SPDX-License-Identifier: Apache-2.0
#include "model/decoder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gemma3n/error.h"
#include "model/ends.h"
#include "model/layer.h"

namespace gemma3n {

DecoderState::DecoderState(const TextConfig& config, const Options& options)
    : options_(options),
      cache_(config, options.context_length, options.max_chunk, options.sliding_cache,
             options.kv_type),
      softmax_scratch_(
          ops::AttentionScratchFloats(LongestAttention(config), options.context_length)) {}

int64_t DecoderState::BytesFor(const TextConfig& config, const Options& options) {
  const int64_t scratch = static_cast<int64_t>(
      ops::AttentionScratchFloats(LongestAttention(config), options.context_length));
  return KvCache::BytesFor(config, options.context_length, options.max_chunk, options.sliding_cache,
                           options.kv_type) +
         scratch * static_cast<int64_t>(sizeof(float));
}

bool DecoderState::CanRewind(int64_t position) const {
  return position == 0 || (position <= position_ && cache_.Holds(position));
}

void DecoderState::Rewind(int64_t position) {
  CHECK(CanRewind(position));
  cache_.Rewind(position);
  highest_ = std::max(highest_, position_);
  position_ = position;
}

Decoder::Decoder(const DecoderWeights& weights, ThreadPool& pool, const Options& options,
                 std::shared_ptr<Activations> activations)
    : weights_(weights),
      pool_(pool),
      options_(options),
      submodel_(weights,
                options.shape != nullptr ? *options.shape : SubmodelShape::Full(weights.config)),
      activations_(std::move(activations)) {
  CHECK_LE(int64_t{1}, options.max_chunk);
  if (activations_ == nullptr) {
    activations_ = std::make_shared<Activations>(weights, options.max_chunk);
  }
  CHECK_LE(options.max_chunk, activations_->max_rows);
}

void Decoder::SetShape(const SubmodelShape& shape) {
  if (shape != submodel_.shape) submodel_ = Submodel(weights_, shape);
}

void Decoder::CheckRoom(const DecoderState& state, std::span<const DecoderInput> inputs) const {
  const int64_t end = state.position() + static_cast<int64_t>(inputs.size());
  if (end > state.context_length()) {
    throw Error(ErrorKind::kRequest, "the conversation would have " + std::to_string(end) +
                                         " positions but the context holds " +
                                         std::to_string(state.context_length()) +
                                         "; shorten it or ask for a longer context");
  }
  CheckInputs(weights_.embedding, inputs);
}

void Decoder::Prefill(DecoderState& state, std::span<const DecoderInput> inputs,
                      LogitsWanted wanted, std::span<float> logits) {
  const int64_t count = static_cast<int64_t>(inputs.size());
  const int64_t logit_rows = wanted == LogitsWanted::kAll    ? count
                             : wanted == LogitsWanted::kLast ? 1
                                                             : 0;
  CHECK_EQ(static_cast<int64_t>(logits.size()), logit_rows * vocab_size());
  CHECK(logit_rows <= count);
  CheckRoom(state, inputs);
  for (int64_t begin = 0, rows = 0; begin < count; begin += rows) {
    rows = std::min(NextChunk(count - begin), state.options_.max_chunk);
    // Of the last logit_rows positions, those that lie in this chunk.
    const int64_t first_wanted = std::max(begin, count - logit_rows);
    const int64_t chunk_wanted = std::max<int64_t>(0, begin + rows - first_wanted);
    ForwardChunk(state, submodel_, inputs.subspan(begin, rows), chunk_wanted, nullptr,
                 logits.data() + (first_wanted - (count - logit_rows)) * vocab_size());
  }
}

void Decoder::PrefillHidden(DecoderState& state, std::span<const DecoderInput> inputs,
                            std::span<float> hidden) {
  const int64_t count = static_cast<int64_t>(inputs.size());
  CHECK_EQ(static_cast<int64_t>(hidden.size()), count * hidden_size());
  CheckRoom(state, inputs);
  for (int64_t begin = 0, rows = 0; begin < count; begin += rows) {
    rows = std::min(NextChunk(count - begin), state.options_.max_chunk);
    BeginRows();
    AddRows(state, state.position_, rows);
    Pass pass = NewPass(submodel_, inputs.subspan(begin, rows));
    ForwardInputs(pass);
    ForwardLayers(pass, rows);
    ForwardHidden(weights_, *activations_, activations_->h(), pass.chunk,
                  hidden.data() + begin * hidden_size());
    state.position_ += rows;
  }
}

int64_t Decoder::NextChunk(int64_t count) const {
  constexpr int64_t kTogether = 6;  // rows that the kernels take at once
  const int64_t chunks = (count + options_.max_chunk - 1) / options_.max_chunk;
  const int64_t equal = (count + chunks - 1) / chunks;
  const int64_t rounded = (equal + kTogether - 1) / kTogether * kTogether;
  return std::min({rounded, options_.max_chunk, count});
}

void Decoder::Step(DecoderState& state, int32_t id, std::span<float> logits) {
  const DecoderInput input{.id = id};
  Prefill(state, {&input, 1}, LogitsWanted::kLast, logits);
}

void Decoder::StepMany(std::span<DecoderState* const> states, std::span<const int32_t> ids,
                       std::span<float> logits) {
  const int64_t rows = static_cast<int64_t>(states.size());
  CHECK_EQ(states.size(), ids.size());
  CHECK_EQ(static_cast<int64_t>(logits.size()), rows * vocab_size());
  CHECK(1 <= rows && rows <= options_.max_chunk);
  CHECK(options_.observer == nullptr);
  step_inputs_.clear();
  BeginRows();
  for (size_t i = 0; i < states.size(); ++i) {
    step_inputs_.push_back({.id = ids[i]});
    CheckRoom(*states[i], {&step_inputs_.back(), 1});
    AddRows(*states[i], states[i]->position_, 1);
  }
  Pass pass = NewPass(submodel_, step_inputs_);
  Forward(pass, rows, logits.data());
  for (DecoderState* state : states) ++state->position_;
}

void Decoder::DraftStep(DecoderState& state, const Submodel& draft, int32_t id, Draft& kept,
                        std::span<float> logits) {
  CHECK(ShareLowerLayers(weights_.config, submodel_.shape, draft.shape));
  CHECK_EQ(static_cast<int64_t>(logits.size()), vocab_size());
  const DecoderInput input{.id = id};
  CheckRoom(state, {&input, 1});
  ForwardChunk(state, draft, {&input, 1}, 1, &kept, logits.data());
}

void Decoder::FinishDraft(DecoderState& state, const Draft& kept, std::span<float> logits) {
  const int64_t rows = kept.rows();
  CHECK(0 < rows && rows <= options_.max_chunk && rows <= state.position_);
  CHECK_EQ(static_cast<int64_t>(logits.size()), rows * vocab_size());
  BeginRows();
  AddRows(state, state.position_ - rows, rows);
  Pass pass = NewPass(submodel_, kept.inputs());
  FillRotaryTables(pass);
  kept.Restore(activations_->h(), activations_->embedded.data());
  const size_t seam = submodel_.last_key_value_place + 1;
  const std::span<const int> layers = submodel_.shape.layers;
  PreparePerLayerInputs(pass, layers.subspan(seam));
  for (pass.place = seam; pass.place < layers.size(); ++pass.place) {
    pass.chunk.layer = layers[pass.place];
    ForwardLayer(pass);
  }
  pass.chunk.layer = -1;
  ForwardLogits(weights_, *activations_, activations_->h(), pass.chunk, logits.data());
}

void Decoder::AddRows(DecoderState& state, int64_t first_position, int64_t rows) {
  sequences_.push_back({rows, first_position, &state.cache_, state.softmax_scratch_.span()});
}

Pass Decoder::NewPass(const Submodel& submodel, std::span<const DecoderInput> inputs) {
  return {.weights = weights_,
          .submodel = submodel,
          .activations = *activations_,
          .inputs = inputs,
          .chunk = {.rows = static_cast<int64_t>(inputs.size()),
                    .sequences = sequences_,
                    .rope_row = 0,
                    .pool = pool_,
                    .observer = options_.observer}};
}

void Decoder::ForwardChunk(DecoderState& state, const Submodel& submodel,
                           std::span<const DecoderInput> inputs, int64_t wanted, Draft* draft,
                           float* logits) {
  const int64_t rows = static_cast<int64_t>(inputs.size());
  BeginRows();
  AddRows(state, state.position_, rows);
  Pass pass = NewPass(submodel, inputs);
  pass.draft = draft;
  Forward(pass, wanted, logits);
  state.position_ += rows;
}

void Decoder::Forward(Pass& pass, int64_t wanted, float* logits) {
  ForwardInputs(pass);
  ForwardLayers(pass, wanted);
  if (wanted > 0) ForwardLogits(weights_, *activations_, activations_->h(), pass.chunk, logits);
}

namespace {

// From here on only the last `wanted` positions matter.
void KeepLast(Pass& pass, int64_t wanted) {
  pass.activations.KeepLast(pass.chunk.rows, wanted);
  pass.inputs = pass.inputs.last(wanted);
  pass.chunk.KeepLast(wanted);
}

}  // namespace

void Decoder::ForwardLayers(Pass& pass, int64_t wanted) {
  const std::span<const int> layers = pass.submodel.shape.layers;
  const bool skips = options_.skip_unseen && wanted < pass.chunk.rows;
  const size_t seen = pass.submodel.last_key_value_place;
  PreparePerLayerInputs(pass, skips ? layers.first(seen) : layers);
  for (pass.place = 0; pass.place < layers.size(); ++pass.place) {
    pass.chunk.layer = layers[pass.place];
    if (skips && pass.place == seen) {
      ForwardKeysValues(pass);
      KeepLast(pass, wanted);
      if (wanted == 0) return;
      PreparePerLayerInputs(pass, layers.subspan(seen));
      ForwardQueries(pass);
    } else {
      ForwardLayer(pass);
    }
    if (pass.draft != nullptr && pass.place == seen) {
      pass.draft->Keep(pass.inputs[0], pass.activations.h(), pass.activations.embedded.data());
    }
  }
  pass.chunk.layer = -1;
  if (wanted < pass.chunk.rows) KeepLast(pass, wanted);
}

}  // namespace gemma3n
