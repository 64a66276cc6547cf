// SPDX-License-Identifier: Apache-2.0
// The loop of generation: lay out, encode media, prefill what is new, then step, sample, stop,
// text.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "engine/elastic.h"
#include "engine/loaded_model.h"
#include "engine/media_encoder.h"
#include "engine/next_tokens.h"
#include "engine/sampler.h"
#include "model/decoder.h"

namespace gemma3n {

class SessionOfModel : public Session {
 public:
  // `engine` keeps the model alive.
  SessionOfModel(std::shared_ptr<Engine> engine, LoadedModel& model, int64_t context);

  GenerateResult Generate(const std::vector<Turn>& turns, const GenerateOptions& options,
                          const TextCallback& on_text,
                          const ProgressCallback& on_progress) override;
  int64_t context() const override { return state_.context_length(); }
  int64_t position() const override { return state_.position(); }

 private:
  // A position that has been computed: what stood there.
  struct Done {
    int32_t id;
    Medium medium;  // of a soft token
    int64_t row;
  };
  void CheckRoom(const Prompt& prompt) const;
  // Answers from here on with this size; forgets what another one has computed differently.
  void SwitchTo(const SubmodelShape& shape, bool keep_cache);
  size_t ReuseWhatMatches(const Prompt& prompt);
  bool PrefillRest(const Prompt& prompt, size_t from, const ProgressCallback& on_progress);
  // The size that guesses. Throws Error (kUsage).
  SubmodelShape DraftShape(const GenerateOptions& options, const SubmodelShape& answers) const;
  void ChangeSize(Elastic& elastic, double seconds, const GenerateOptions& options,
                  GenerateResult& result);
  // Refuses options that do not go together.
  void CheckSizes(const GenerateOptions& options) const;
  // `request` is when the answer was asked for.
  void Decode(const GenerateOptions& options, const SubmodelShape& draft,
              std::chrono::steady_clock::time_point request, const TextCallback& on_text,
              GenerateResult& result);

  std::shared_ptr<Engine> engine_;
  LoadedModel& model_;
  std::unique_ptr<Decoder> decoder_;
  DecoderState state_;
  MediaEncoder media_;
  SubmodelShape cached_;    // what the keys and values of state_ were computed with
  bool mixed_ = false;      // or with several sizes whose own would differ
  std::vector<Done> done_;  // one for each position of state_
  std::vector<float> logits_;
};

// Options with the model's defaults filled in. Throws Error (kRequest) for values out of range.
SamplerSettings DecideSampling(const SamplingOptions& options, const GenerationConfig& defaults);
// Ids that an answer never holds: placeholders and marks of media.
std::vector<int32_t> BannedIds(const ModelConfig& config);

}  // namespace gemma3n
