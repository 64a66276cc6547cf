// SPDX-License-Identifier: Apache-2.0
#include "engine/session.h"

#include <algorithm>
#include <chrono>

#include "engine/elapsed.h"
#include "engine/listening.h"
#include "engine/stop.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

SessionOfModel::SessionOfModel(std::shared_ptr<Engine> engine, LoadedModel& model, int64_t context)
    : engine_(std::move(engine)),
      model_(model),
      decoder_(model.NewDecoder()),
      state_(model.config.text, {.context_length = context, .kv_type = model.kv_type}),
      media_(model),
      cached_(decoder_->shape()),
      written_(cached_.layers),
      size_name_(model.size.name),
      logits_(static_cast<size_t>(model.config.text.vocab_size)) {
  model_.states.insert(&state_);
}

SessionOfModel::~SessionOfModel() {
  model_.states.erase(&state_);
}

void SessionOfModel::CheckUnused() const {
  if (!use_.expired()) {
    throw Error(ErrorKind::kUsage, "session: expected one request at a time, found another");
  }
}

void SessionOfModel::CheckRoom(const Prompt& prompt) const {
  const int64_t needed = static_cast<int64_t>(prompt.items.size());
  if (needed <= context()) return;  // the first token of the answer needs no place of its own
  const int64_t soft = std::count_if(prompt.items.begin(), prompt.items.end(),
                                     [](const Prompt::Item& item) { return item.medium >= 0; });
  std::string message = "prompt has " + std::to_string(needed) + " tokens";
  if (soft > 0) message += " (" + std::to_string(soft) + " of them pictures and sound)";
  throw Error(ErrorKind::kRequest, message + " but the context holds " + std::to_string(context()) +
                                       "; shorten it or use a longer context (up to " +
                                       std::to_string(model_.facts.max_context) + ")");
}

size_t SessionOfModel::CountCommon(const Prompt& prompt, size_t most) const {
  most = std::min({most, done_.size(), prompt.items.size()});
  size_t common = 0;
  while (common < most && done_[common] == prompt.At(common)) ++common;
  return common;
}

void SessionOfModel::ReuseWhatMatches(const Prompt& prompt, size_t most) {
  Forget(CountCommon(prompt, most));
}

void SessionOfModel::Forget(size_t from) {
  if (!state_.CanRewind(static_cast<int64_t>(from))) from = 0;
  state_.Rewind(static_cast<int64_t>(from));
  if (rereading_) rereading_->Forget(static_cast<int64_t>(from));
  done_.resize(from);
}

void SessionOfModel::ReadChunk(const Prompt& prompt, size_t from, size_t end) {
  const bool last = end == prompt.items.size();
  Compute(prompt, from, end, last ? LogitsWanted::kLast : LogitsWanted::kNone,
          last ? std::span<float>(logits_) : std::span<float>());
}

std::vector<DecoderInput> SessionOfModel::Inputs(const Prompt& prompt, size_t from,
                                                 size_t end) const {
  std::vector<DecoderInput> inputs;
  for (size_t i = from; i < end; ++i) {
    const Prompt::Item& item = prompt.items[i];
    inputs.push_back(
        {.id = item.id, .soft_token = item.medium < 0 ? nullptr : media_.SoftToken(prompt, item)});
  }
  return inputs;
}

void SessionOfModel::Compute(const Prompt& prompt, size_t from, size_t end, LogitsWanted wanted,
                             std::span<float> logits) {
  decoder_->Prefill(state_, Inputs(prompt, from, end), wanted, logits);
  NoteDone(prompt, from, end);
}

void SessionOfModel::NoteDone(const Prompt& prompt, size_t from, size_t end) {
  for (size_t i = from; i < end; ++i) done_.push_back(prompt.At(i));
}

void SessionOfModel::Encode(Request& request, Encoding encoding) {
  using Outcome = MediaEncoder::Outcome;
  Outcome outcome;
  do {
    outcome = media_.Advance(request.prompt, request.on_progress, request.result.timings,
                             encoding == Encoding::kWhole);
  } while (outcome == Outcome::kMore && encoding == Encoding::kWhole);
  if (outcome == Outcome::kMore) return;
  request.encoded = true;
  if (outcome == Outcome::kCancelled) {
    request.phase = Phase::kEnded;
    return;
  }
  // The last position is computed again in any case: its logits are needed.
  ReuseWhatMatches(request.prompt,
                   TellsOfPrompt(request.options) ? 0 : request.prompt.items.size() - 1);
  const ModelSize& size = request.options.size ? *request.options.size : model_.size;
  BeginSize(request, size, request.prompt.items.size());
  TakeShared(request);
  request.result.timings.cached_tokens = static_cast<int64_t>(done_.size());
}

void SessionOfModel::Read(Request& request, int64_t most, Encoding encoding) {
  CHECK(request.phase == Phase::kReading);
  if (!request.encoded) return Encode(request, encoding);
  const size_t total = request.prompt.items.size(), from = done_.size();
  const auto tell = [&](size_t done) {
    const bool goes_on = !request.on_progress ||
                         request.on_progress({"reading the prompt", static_cast<int64_t>(done),
                                              static_cast<int64_t>(total)});
    if (!goes_on) request.phase = Phase::kEnded;
    return goes_on;
  };
  if (!tell(from)) return;
  Timings& timings = request.result.timings;
  const Clock::time_point begin = Clock::now();
  const bool scored = request.options.prompt_logprobs;
  const int64_t next = decoder_->NextChunk(static_cast<int64_t>(total - from));
  const size_t end =
      from + static_cast<size_t>(std::min({next, most, scored ? kScoredAtOnce : next}));
  if (request.options.prompt_embedding) {
    ReadEmbedded(request, from, end);
  } else if (scored) {
    ReadScored(request, from, end);
  } else {
    ReadChunk(request.prompt, from, end);
  }
  const double ms = MillisecondsSince(begin);
  timings.prefill_tokens += static_cast<int64_t>(end - from);
  timings.prefill_ms += ms;
  if (ChangeSizeOfReading(request, end - from, ms / 1000, total - end)) {
    timings.cached_tokens = std::min(timings.cached_tokens, static_cast<int64_t>(done_.size()));
  }
  KeepShared(/*whole_pieces=*/done_.size() < total);
  if (done_.size() == total && tell(total)) BeginAnswer(request);
}

void SessionOfModel::BeginAnswer(Request& request) {
  const Clock::time_point begin = Clock::now();
  request.phase = Phase::kAnswering;
  Answer& answer = request.answer.emplace(model_, request.options, request.on_text, request.begin,
                                          request.result);
  request.next.emplace(NextTokens::Parts{model_.weights, *decoder_, state_, answer.sampler()},
                       request.options.speculation, request.draft, answer.sampler());
  bool goes_on = request.options.max_tokens > 0;
  if (goes_on) {
    answer.seen().push_back(answer.sampler().Sample(logits_, answer.seen()));
    goes_on = answer.Take({answer.seen().back(), logits_});
  }
  if (!goes_on || state_.position() >= context()) request.phase = Phase::kEnded;
  request.result.timings.decode_ms += MillisecondsSince(begin);
}

int64_t SessionOfModel::TokensLeft(const Request& request) const {
  return request.options.max_tokens - static_cast<int64_t>(request.result.token_ids.size());
}

void SessionOfModel::Step(Request& request) {
  CHECK(request.phase == Phase::kAnswering);
  const Clock::time_point begin = Clock::now();
  std::vector<int32_t>& seen = request.answer->seen();
  const size_t before = seen.size();
  // Also the last token is computed: the next turn finds it in the cache.
  const auto tokens = request.next->After(seen, std::max<int64_t>(1, TokensLeft(request)));
  Take(request, tokens, before, MillisecondsSince(begin) / 1000);
  request.result.timings.decode_ms += MillisecondsSince(begin);
}

bool SessionOfModel::SharesSteps(const Request& request) const {
  return request.phase == Phase::kAnswering && request.options.speculation == Speculation::kOff &&
         !request.elastic && !rereading_;
}

void SessionOfModel::TakeStep(Request& request, std::span<const float> logits, double seconds) {
  const Clock::time_point begin = Clock::now();
  std::vector<int32_t>& seen = request.answer->seen();
  const size_t before = seen.size();
  Take(request, request.next->Choose(logits, seen), before, seconds);
  request.result.timings.decode_ms += 1000 * seconds + MillisecondsSince(begin);
}

void SessionOfModel::Take(Request& request, std::span<const NextTokens::Token> tokens,
                          size_t before, double seconds) {
  const std::vector<int32_t>& seen = request.answer->seen();
  Timings& timings = request.result.timings;
  for (size_t i = 0; i < tokens.size(); ++i)
    done_.push_back({seen[before - 1 + i], MediumKey(), 0});
  timings.decode_tokens += 1;
  bool goes_on = TokensLeft(request) > 0;
  if (goes_on) {
    size_t taken = 0;
    while (taken < tokens.size() && (goes_on = request.answer->Take(tokens[taken]))) ++taken;
    // Besides the one before them, those that were taken have been computed, but not the last.
    timings.decode_tokens += static_cast<int64_t>(std::min(taken, tokens.size() - 1));
    if (taken + 1 < tokens.size()) {
      // What was computed beyond the token that ended the answer.
      done_.resize(done_.size() - (tokens.size() - 1 - taken));
      state_.Rewind(static_cast<int64_t>(done_.size()));
    }
    if (done_.size() % PrefixCacheOfEngine::kPiece < tokens.size()) KeepShared(true);
    if (goes_on) ChangeSize(request, seconds);
  }
  if (!goes_on || state_.position() >= context()) request.phase = Phase::kEnded;
}

std::unique_ptr<SessionOfModel::Request> SessionOfModel::Begin(const std::vector<Turn>& turns,
                                                               const GenerateOptions& options,
                                                               TextCallback on_text,
                                                               ProgressCallback on_progress) {
  CheckUnused();
  const Clock::time_point begun = Clock::now();
  // Refuses bad options before any work.
  const Sampler wanted(DecideSampling(options.sampling, model_.generation),
                       model_.config.text.vocab_size, {});
  const StopMatcher wanted_stop{options.stop};
  if (options.constraint != nullptr && options.speculation != Speculation::kOff) {
    throw Error(ErrorKind::kUsage, "constraint: not together with speculation");
  }
  if (options.prompt_logprobs && options.top_logprobs < 0) {
    throw Error(ErrorKind::kUsage, "prompt_logprobs: only together with top_logprobs");
  }
  if (options.prompt_embedding &&
      (options.max_tokens != 0 || options.prompt_logprobs || options.elastic)) {
    throw Error(ErrorKind::kUsage,
                "prompt_embedding: only with max_tokens 0, without prompt_logprobs and elastic");
  }
  if (options.max_tokens < 0) throw Error(ErrorKind::kRequest, "max_tokens: expected 0 or more");
  const ModelSize& size = options.size ? *options.size : model_.size;
  CheckSizes(options);
  Prompt prompt = LayOut(model_, turns, options, /*open_answer=*/true);
  std::vector<PromptPosition> positions = prompt.positions();
  std::unique_ptr<Request> request(new Request{.options = options,
                                               .on_text = std::move(on_text),
                                               .on_progress = std::move(on_progress),
                                               .prompt = std::move(prompt),
                                               .positions = std::move(positions),
                                               .use = std::make_shared<char>(),
                                               .begin = begun});
  CheckRoom(request->prompt);
  request->draft = DraftShape(options, model_.ShapeOf(size));
  if (options.elastic) request->elastic.emplace(model_, request->options);
  request->result.timings.load_ms = model_.load_ms;
  request->result.prompt_token_ids = request->prompt.ids();
  request->result.finish_reason = FinishReason::kCancelled;
  use_ = request->use;
  return request;
}

GenerateResult SessionOfModel::End(Request& request) {
  CHECK(request.phase == Phase::kEnded);
  GenerateResult& result = request.result;
  KeepShared(/*whole_pieces=*/false);
  if (!request.answer) return std::move(result);  // cancelled before it began
  const Clock::time_point begin = Clock::now();
  result.timings.guessed_tokens = request.next->guessed();
  result.timings.accepted_tokens = request.next->accepted();
  request.answer->Finish();
  result.timings.decode_ms += MillisecondsSince(begin);
  // LayOut looked before the work; what was written to since then may have made this answer wrong.
  model_.checkpoint->CheckUnchanged();
  return std::move(result);
}

GenerateResult SessionOfModel::Generate(const std::vector<Turn>& turns,
                                        const GenerateOptions& options, const TextCallback& on_text,
                                        const ProgressCallback& on_progress) {
  const std::unique_ptr<Request> request = Begin(turns, options, on_text, on_progress);
  while (request->phase == Phase::kReading) Read(*request, decoder_->max_chunk());
  while (request->phase == Phase::kAnswering) Step(*request);
  return End(*request);
}

std::unique_ptr<Listening> SessionOfModel::Listen(const std::vector<Turn>& turns,
                                                  const GenerateOptions& options) {
  return std::make_unique<ListeningOfSession>(*this, model_, turns, options);
}

void SessionOfModel::BeginListening(const Prompt& prompt, const GenerateOptions& options) {
  CheckUnused();
  CheckRoom(prompt);
  const ModelSize& size = options.size ? *options.size : model_.size;
  const bool keeps = options.size_change == SizeChange::kKeepCache;
  SwitchTo(model_.ShapeOf(size), size.name, keeps ? SizeChange::kKeepCache : SizeChange::kReread);
}

void SessionOfModel::ReadAhead(const Prompt& prompt, size_t end, Timings& timings) {
  CheckUnused();
  media_.Encode(prompt, nullptr, timings);
  ReuseWhatMatches(prompt, end);
  const Clock::time_point begin = Clock::now();
  for (size_t from = done_.size(); from < end;) {
    const size_t next =
        from + static_cast<size_t>(decoder_->NextChunk(static_cast<int64_t>(end - from)));
    ReadChunk(prompt, from, next);
    timings.prefill_tokens += static_cast<int64_t>(next - from);
    from = next;
  }
  timings.prefill_ms += MillisecondsSince(begin);
}

void SessionOfModel::Rename(const MediumKey& from, const MediumKey& to) {
  CheckUnused();
  for (PromptPosition& done : done_) {
    if (done.medium == from) done.medium = to;
  }
}

void SessionOfModel::ForgetRows(const MediumKey& medium, int64_t row) {
  CheckUnused();
  const auto stale = std::find_if(done_.begin(), done_.end(), [&](const PromptPosition& done) {
    return done.row >= row && done.medium == medium;
  });
  if (stale != done_.end()) Forget(static_cast<size_t>(stale - done_.begin()));
}

}  // namespace gemma3n
