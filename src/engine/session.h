// SPDX-License-Identifier: Apache-2.0
// One conversation, and the way of a request: lay out, encode media, prefill what is new, then
// step, sample, stop, text. It goes piece by piece, so that requests of several sessions can go on
// by turns (engine/batch) or by themselves (Generate).
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/answer.h"
#include "engine/elastic.h"
#include "engine/loaded_model.h"
#include "engine/media_encoder.h"
#include "engine/next_tokens.h"
#include "engine/prefix_cache.h"
#include "engine/rereading.h"
#include "model/decoder.h"

namespace gemma3n {

class SessionOfModel : public Session {
 public:
  // `engine` keeps the model alive.
  SessionOfModel(std::shared_ptr<Engine> engine, LoadedModel& model, int64_t context);
  ~SessionOfModel() override;

  GenerateResult Generate(const std::vector<Turn>& turns, const GenerateOptions& options,
                          const TextCallback& on_text,
                          const ProgressCallback& on_progress) override;
  std::unique_ptr<Listening> Listen(const std::vector<Turn>& turns,
                                    const GenerateOptions& options) override;
  int64_t context() const override { return state_.context_length(); }
  int64_t position() const override { return state_.position(); }
  void Share(std::shared_ptr<PrefixCache> cache, const std::string& owner) override;

  enum class Phase { kReading, kAnswering, kEnded };
  // One request under way. It stays where it is: its parts borrow from each other.
  struct Request {
    const GenerateOptions options;
    const TextCallback on_text;
    const ProgressCallback on_progress;
    const Prompt prompt;
    const std::vector<PromptPosition> positions;  // of the prompt
    const std::shared_ptr<const void> use;        // of the session, which takes one at a time
    std::chrono::steady_clock::time_point begin;
    SubmodelShape draft = {};             // the size that guesses
    std::optional<Elastic> elastic = {};  // where the answer is to be
    bool encoded = false;                 // its pictures and sound
    Phase phase = Phase::kReading;
    GenerateResult result = {};
    std::optional<Answer> answer = {};  // once the prompt is read
    std::optional<NextTokens> next = {};
    std::vector<double> embedded = {};  // [hidden_size], the sum so far where that is asked for
    std::vector<float> scored = {};  // [kScoredAtOnce, vocabulary] where the prompt is scored, too
  };
  // Throws what Generate throws before anything is computed.
  std::unique_ptr<Request> Begin(const std::vector<Turn>& turns, const GenerateOptions& options,
                                 TextCallback on_text, ProgressCallback on_progress);
  // While it is kReading: encodes what it sees and hears, in pieces where asked to, then, call by
  // call, computes at most `most` positions of the prompt. Chooses the first token where that was
  // the last one.
  enum class Encoding { kWhole, kInPieces };
  void Read(Request& request, int64_t most, Encoding encoding = Encoding::kWhole);
  // While it is kAnswering: the next token, or several with speculation.
  void Step(Request& request);
  // Whether `earlier`, which the other session is reading, will leave in the cache much of what
  // this one needs and does not find there yet.
  bool ShouldWaitFor(const Request& request, const SessionOfModel& other,
                     const Request& earlier) const;
  // About how much of its prompt is still to be computed, in positions; a picture or clip counts as
  // some hundreds.
  int64_t PositionsLeft(const Request& request) const;
  // Whether Step would compute no more than the logits after the last token of `seen`, at state().
  bool SharesSteps(const Request& request) const;
  // Instead of Step: these were computed, together with others' in so many seconds.
  void TakeStep(Request& request, std::span<const float> logits, double seconds);
  // When it has kEnded.
  GenerateResult End(Request& request);

  LoadedModel& model() { return model_; }
  Decoder& decoder() { return *decoder_; }
  DecoderState& state() { return state_; }

  // For a Listening. All throw Error (kUsage) while a request is under way.
  void CheckUnused() const;
  // At its beginning, before anything is read:
  void BeginListening(const Prompt& prompt, const GenerateOptions& options);
  // How many positions of the prompt are read and still there.
  size_t CountRead(const Prompt& prompt) const { return CountCommon(prompt, prompt.items.size()); }
  // Reads the prompt up to position `end`; its media have been made known or are encoded.
  void ReadAhead(const Prompt& prompt, size_t end, Timings& timings);
  // What was read of one medium is that of the other.
  void Rename(const MediumKey& from, const MediumKey& to);
  // The rows of this medium from `row` on become others.
  void ForgetRows(const MediumKey& medium, int64_t row);
  // Whether what follows `position` can be forgotten once the positions before `end` are read.
  bool CouldComeBack(size_t position, size_t end) const {
    return state_.CouldRewind(static_cast<int64_t>(position), static_cast<int64_t>(end));
  }
  MediaEncoder& media() { return media_; }

 private:
  static constexpr int64_t kScoredAtOnce = 32;  // 34 MB of Gemma 3n's vocabulary

  void CheckRoom(const Prompt& prompt) const;
  // At most `most` positions with which both the prompt and what has been computed begin.
  size_t CountCommon(const Prompt& prompt, size_t most) const;
  // Forgets what is not in the prompt, and what is from position `most` on.
  void ReuseWhatMatches(const Prompt& prompt, size_t most);
  void Forget(size_t from);

  // What is shared, session_cache.cc:
  PrefixCacheOfEngine::Reader Reader() const { return {owner_, cached_, model_.config.text}; }
  // Whether keys and values of one size alone stand here.
  bool CanShare() const { return cache_ != nullptr && !mixed_ && !rereading_; }
  // Goes on with what others have read of the prompt, if that is more.
  void TakeShared(const Request& request);
  void KeepShared(bool whole_pieces);

  void Encode(Request& request, Encoding encoding);
  // The positions [from, end) of the prompt, no more than a chunk. Leaves the logits of the
  // prompt's last position in logits_.
  void ReadChunk(const Prompt& prompt, size_t from, size_t end);
  void Compute(const Prompt& prompt, size_t from, size_t end, LogitsWanted wanted,
               std::span<float> logits);
  // The same, and what the prompt's tokens behind them are worth (session_scores.cc).
  void ReadScored(Request& request, size_t from, size_t end);
  // The same for what its hidden states come to; no logits.
  void ReadEmbedded(Request& request, size_t from, size_t end);
  // Whether something is told of the prompt's own positions, which are all computed then.
  static bool TellsOfPrompt(const GenerateOptions& options) {
    return options.prompt_logprobs || options.prompt_embedding;
  }
  std::vector<DecoderInput> Inputs(const Prompt& prompt, size_t from, size_t end) const;
  void NoteDone(const Prompt& prompt, size_t from, size_t end);
  void BeginAnswer(Request& request);
  int64_t TokensLeft(const Request& request) const;
  // Tokens that followed the first `before` seen ones, in so many seconds; all but the last have
  // been computed.
  void Take(Request& request, std::span<const NextTokens::Token> tokens, size_t before,
            double seconds);

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
  std::shared_ptr<PrefixCacheOfEngine> cache_;  // null: nothing is shared
  std::string owner_;
  std::weak_ptr<const void> use_;  // of the request under way
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
  std::vector<PromptPosition> done_;     // one for each position of state_
  std::vector<float> logits_;
};

}  // namespace gemma3n
