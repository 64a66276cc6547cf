// SPDX-License-Identifier: Apache-2.0
#include "model/many_sizes.h"

#include <algorithm>
#include <tuple>

namespace gemma3n {

ManySizes::ManySizes(const DecoderWeights& weights, ThreadPool& pool, const Options& options)
    : weights_(weights),
      pool_(pool),
      options_(options),
      activations_(weights, options.max_rows),
      // No ring: layers write all their positions before the next layer writes any.
      cache_(weights.config, options.max_rows, options.max_rows, SlidingCache::kFull,
             options.kv_type),
      softmax_scratch_(
          ops::AttentionScratchFloats(LongestAttention(weights.config), options.max_rows)),
      logits_(static_cast<size_t>(options.logit_rows * weights.lm_head.shape[0])) {}

int64_t ManySizes::BytesFor(const TextConfig& config, const Options& options) {
  const int64_t floats = static_cast<int64_t>(ops::AttentionScratchFloats(LongestAttention(config),
                                                                          options.max_rows)) +
                         options.logit_rows * config.vocab_size +
                         // What waits where two sizes part.
                         2 * options.max_rows * config.altup_num_inputs * config.hidden_size;
  return Activations::BytesFor(config, options.max_rows) +
         KvCache::BytesFor(config, options.max_rows, options.max_rows, SlidingCache::kFull,
                           options.kv_type) +
         floats * static_cast<int64_t>(sizeof(float));
}

bool ManySizes::Run(std::span<const DecoderInput> inputs, int64_t wanted,
                    std::span<const SubmodelShape> shapes, const Take& take,
                    const Between& between) {
  const int64_t rows = static_cast<int64_t>(inputs.size());
  CHECK(1 <= wanted && wanted <= rows && rows <= options_.max_rows);
  CheckInputs(weights_.embedding, inputs);
  take_ = &take;
  between_ = &between;
  wanted_ = wanted;
  all_rows_ = inputs.size();
  submodels_.clear();
  Group all;
  for (const SubmodelShape& shape : shapes) {
    all.push_back(submodels_.size());
    submodels_.emplace_back(weights_, shape);
  }
  if (all.empty()) return true;
  const Place begin{0, inputs, 0};
  Pass pass = PassAt(begin, 0);
  ForwardInputs(pass);
  embedded_.assign(activations_.embedded.data(),
                   activations_.embedded.data() + rows * activations_.hidden);
  return Walk(all, begin);
}

Pass ManySizes::PassAt(const Place& place, size_t size) {
  const int64_t rows = static_cast<int64_t>(place.inputs.size());
  rows_ = {rows, place.first_position, &cache_, softmax_scratch_.span()};
  return {.weights = weights_,
          .submodel = submodels_[size],
          .activations = activations_,
          .inputs = place.inputs,
          .chunk = {.rows = rows,
                    .sequences = {&rows_, 1},
                    .rope_row = place.first_position,
                    .pool = pool_,
                    .observer = nullptr},
          .place = place.layers_done};
}

std::vector<float> ManySizes::SaveStreams(int64_t rows) {
  const Streams h = activations_.h();
  std::vector<float> saved;
  saved.reserve(static_cast<size_t>(h.count * rows * h.hidden));
  for (int64_t k = 0; k < h.count; ++k) {
    saved.insert(saved.end(), h.row(k, 0), h.row(k, 0) + rows * h.hidden);
  }
  return saved;
}

void ManySizes::RestoreStreams(const std::vector<float>& saved, int64_t rows) {
  const Streams h = activations_.h();
  for (int64_t k = 0; k < h.count; ++k) {
    std::copy_n(saved.data() + k * rows * h.hidden, rows * h.hidden, h.row(k, 0));
  }
}

// Those that go on with one and the same layer, fewest first: while a large group is under way,
// nothing waits for it then.
std::vector<ManySizes::Group> ManySizes::Split(const Group& group, size_t layers_done) const {
  const auto next = [&](size_t size) {
    const Submodel& submodel = submodels_[size];
    return std::tuple(submodel.shape.layers[layers_done],
                      submodel.shape.intermediate_size[layers_done],
                      submodel.last_key_value_place == layers_done);
  };
  std::vector<Group> groups;
  for (size_t size : group) {
    if (submodels_[size].shape.layers.size() == layers_done) continue;
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& other) {
      return next(other[0]) == next(size);
    });
    if (same == groups.end()) {
      groups.push_back({size});
    } else {
      same->push_back(size);
    }
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.size() < b.size(); });
  return groups;
}

// The streams hold what the layers so far gave.
bool ManySizes::Walk(const Group& group, const Place& place) {
  const int64_t rows = static_cast<int64_t>(place.inputs.size());
  Group ended;
  for (size_t size : group) {
    if (submodels_[size].shape.layers.size() == place.layers_done) ended.push_back(size);
  }
  if (!ended.empty()) GiveLogits(ended, place);
  const std::vector<Group> groups = Split(group, place.layers_done);
  std::vector<float> saved;
  if (groups.size() > 1) saved = SaveStreams(rows);
  for (size_t i = 0; i < groups.size(); ++i) {
    if (i > 0) RestoreStreams(saved, rows);
    if (i + 1 == groups.size()) saved = {};
    if (!WalkOn(groups[i], place)) return false;
  }
  return true;
}

// One layer, and what comes after it.
bool ManySizes::WalkOn(const Group& group, const Place& place) {
  if (!(*between_)()) return false;
  const Submodel& submodel = submodels_[group[0]];
  Pass pass = PassAt(place, group[0]);
  pass.chunk.layer = submodel.shape.layers[place.layers_done];
  const std::span<const int> layer(&pass.chunk.layer, 1);
  const auto prepare = [&] {
    std::copy_n(embedded_.data() + (all_rows_ - pass.inputs.size()) * activations_.hidden,
                pass.inputs.size() * activations_.hidden, activations_.embedded.data());
    PreparePerLayerInputs(pass, layer);
  };
  if (place.layers_done == submodel.last_key_value_place && wanted_ < pass.chunk.rows) {
    ForwardKeysValues(pass);
    activations_.KeepLast(pass.chunk.rows, wanted_);
    pass.inputs = pass.inputs.last(wanted_);
    pass.chunk.KeepLast(wanted_);
    prepare();
    ForwardQueries(pass);
  } else {
    prepare();
    ForwardLayer(pass);
  }
  return Walk(group, {place.layers_done + 1, pass.inputs, rows_.first_position});
}

void ManySizes::GiveLogits(const Group& group, const Place& place) {
  const int64_t rows = static_cast<int64_t>(place.inputs.size());
  for (int64_t from = 0; from < wanted_; from += options_.logit_rows) {
    const int64_t count = std::min(options_.logit_rows, wanted_ - from);
    Streams h = activations_.h();
    h.data = h.row(0, rows - wanted_ + from);
    Chunk chunk = PassAt(place, group[0]).chunk;
    chunk.rows = count;
    ForwardLogits(weights_, activations_, h, chunk, logits_.data());
    const std::span<const float> logits(logits_.data(), static_cast<size_t>(count * vocab_size()));
    for (size_t size : group) (*take_)(size, from, logits);
  }
}

}  // namespace gemma3n
