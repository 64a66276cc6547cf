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
#include "engine/rereading.h"
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
  // One request under way.
  struct Request {
    const GenerateOptions& options;
    std::chrono::steady_clock::time_point begin;
    SubmodelShape draft;             // the size that guesses
    std::optional<Elastic> elastic;  // where the answer is to be
    GenerateResult& result;
  };
  // Forgets what is not in the prompt.
  void ReuseWhatMatches(const Prompt& prompt);
  // Reads what is not in the cache; false when the callback cancelled.
  bool Read(const Prompt& prompt, Request& request, const ProgressCallback& on_progress);
  // The next chunk of the prompt, from position `from` on; where it ends.
  size_t ReadChunk(const Prompt& prompt, size_t from);
  void Decode(Request& request, const TextCallback& on_text);

  // session_size.cc:
  // Refuses options that do not go together. Throws Error (kUsage).
  void CheckSizes(const GenerateOptions& options) const;
  // The size that guesses. Throws Error (kUsage).
  SubmodelShape DraftShape(const GenerateOptions& options, const SubmodelShape& answers) const;
  // At the beginning of an answer of this size: the size that reads the prompt, which may lose what
  // was read before.
  void BeginSize(Request& request, const ModelSize& size, size_t prompt_positions);
  // Answers from here on with this size, or soon.
  void SwitchTo(const SubmodelShape& shape, const std::string& name, SizeChange change);
  void ForgetAll();
  // Whether the keys and values that this size reads are there at all, of whatever size.
  bool HoldsLayersOf(const SubmodelShape& shape) const;
  // After a chunk of the prompt; true where it is to be read again from the start.
  bool ChangeSizeOfReading(Request& request, size_t read, double seconds, size_t left);
  // After a token of the answer, which took `seconds`.
  void ChangeSize(Request& request, double seconds);
  void ReadAgain(Request& request);
  void Report(Request& request, const SizeSwitch& change);

  std::shared_ptr<Engine> engine_;
  LoadedModel& model_;
  std::unique_ptr<Decoder> decoder_;
  DecoderState state_;
  MediaEncoder media_;
  SubmodelShape cached_;      // what the keys and values of state_ were computed with
  bool mixed_ = false;        // or with several sizes whose own would differ
  std::vector<int> written_;  // the layers that every position of state_ was computed with
  std::string size_name_;     // of the size that the decoder runs
  std::optional<Rereading> rereading_;   // at the size that will take over; reads what done_ holds
  SizeSwitch takes_over_;                // what will be said of it
  double reading_seconds_per_cost_ = 0;  // Elastic::seconds_per_cost of late
  std::vector<Done> done_;               // one for each position of state_
  std::vector<float> logits_;
};

// Options with the model's defaults filled in. Throws Error (kRequest) for values out of range.
SamplerSettings DecideSampling(const SamplingOptions& options, const GenerationConfig& defaults);
// Ids that an answer never holds: placeholders and marks of media.
std::vector<int32_t> BannedIds(const ModelConfig& config);

}  // namespace gemma3n
