// SPDX-License-Identifier: Apache-2.0
// What the sizes of a model are worth on given text, and what they cost on this machine: the means
// of a search for good ones (gemma3n/lab_search.h, docs/lab.md).
//
//   auto lab = engine->NewLab();
//   lab->Read(passages, {.windows = ...});
//   auto scores = lab->Score({lab->full(), engine->ParseSize("ffn=8192")});
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/perplexity.h"
#include "gemma3n/size.h"

namespace gemma3n {

// How a layer of the model may be cut.
struct LayerCuts {
  int64_t width = 0;  // neurons of its feed-forward part
  // Narrower ones are multiples of this, as the model's file stores them.
  int64_t step = 1;
  bool may_be_left_out = false;  // no other layer reads its keys and values
};

// A size of E4B that Google published.
struct PublishedSize {
  ModelSize size;
  double mmlu_percent = 0;  // of the pretrained model, as published
};

// What a size made of one passage: sums over its tokens that are scored.
struct PassageScore {
  int64_t tokens = 0;
  double negative_log_likelihood = 0;  // nats
  double divergence = 0;               // from the full model's, nats; 0 where not asked for
};

struct ReadOptions {
  WindowOptions windows;
  // Also the divergence from the full model, where its logits take at most so much memory: 4 bytes
  // for each scored token and entry of the vocabulary.
  int64_t most_reference_bytes = 0;
};

struct SpeedOptions {
  int64_t prompt = 128;  // tokens
  int64_t steps = 16;
  double seconds = 0.5;  // at least so long for each of both, by repetition
};

struct SizeSpeed {
  double prefill_tokens_per_second = 0;
  double decode_tokens_per_second = 0;
  // Of the processor packages while tokens were decoded, whatever else ran; where the system lets
  // its counters be read (RAPL).
  std::optional<double> joules_per_token;
};

// Not to be used while a session of the same engine works.
class Lab {
 public:
  virtual ~Lab() = default;

  virtual const ModelSize& full() const = 0;
  virtual const std::vector<LayerCuts>& layers() const = 0;
  // Largest first; none where the model is not of E4B's shape or its file cannot be cut so.
  virtual const std::vector<PublishedSize>& published() const = 0;
  // A size as `--size FILE.json` reads it (the member "size").
  virtual std::string AsJson(const ModelSize& size) const = 0;

  // Takes in what sizes are scored on, instead of what was before: media are encoded once, here.
  // Returns false when the callback cancelled. Throws Error (kRequest, kMedia, kModel, kResources,
  // and kUsage where nothing is to be scored).
  virtual bool Read(const Passages& passages, const ReadOptions& options,
                    const ProgressCallback& on_progress = nullptr) = 0;
  virtual int64_t tokens() const = 0;       // scored
  virtual bool has_divergence() const = 0;  // whether scores tell it
  // The scores of each size by passage. What sizes have in common is computed once. Nothing when
  // the callback cancelled. Throws Error (kUsage) for sizes that are not of this model, (kModel,
  // kResources).
  virtual std::optional<std::vector<std::vector<PassageScore>>> Score(
      std::span<const ModelSize> sizes, const ProgressCallback& on_progress = nullptr) = 0;

  // How fast a size runs now. Nothing when the callback cancelled. Throws Error (kUsage,
  // kResources).
  virtual std::optional<SizeSpeed> Time(const ModelSize& size, const SpeedOptions& options,
                                        const ProgressCallback& on_progress = nullptr) = 0;
  // About what answering takes with a context of so many positions: weights that a token reads,
  // keys and values, scratch. Without encoders.
  virtual int64_t MemoryFor(const ModelSize& size, int64_t context) const = 0;
};

}  // namespace gemma3n
