// SPDX-License-Identifier: Apache-2.0
#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "engine/stop.h"
#include "text/detokenizer.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

void CheckRange(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorKind::kRequest, std::string(name) + ": expected a number in [" +
                                       std::to_string(least) + ", " + std::to_string(most) +
                                       "], found " + std::to_string(value));
}

}  // namespace

SamplerSettings DecideSampling(const SamplingOptions& options, const GenerationConfig& defaults) {
  SamplerSettings settings;
  settings.temperature =
      options.temperature.value_or(defaults.do_sample ? defaults.temperature : 0.0);
  settings.top_k = options.top_k.value_or(defaults.top_k);
  settings.top_p = options.top_p.value_or(defaults.top_p);
  settings.min_p = options.min_p;
  settings.repetition_penalty = options.repetition_penalty;
  settings.logit_bias.assign(options.logit_bias.begin(), options.logit_bias.end());
  CheckRange("temperature", settings.temperature, 0, 100);
  CheckRange("top_k", static_cast<double>(settings.top_k), 0, 1e9);
  CheckRange("top_p", settings.top_p, 1e-9, 1);
  CheckRange("min_p", settings.min_p, 0, 1);
  CheckRange("repetition_penalty", settings.repetition_penalty, 1e-3, 1e3);
  settings.seed = options.seed ? *options.seed : std::random_device{}();
  return settings;
}

std::vector<int32_t> BannedIds(const ModelConfig& config) {
  std::vector<int32_t> ids;
  if (!config.vision && !config.audio) return ids;
  for (int32_t id : {config.boi_token_id, config.boa_token_id}) {
    if (id < config.text.vocab_size) ids.push_back(id);
  }
  for (int64_t id = config.text.vocab_size_per_layer_input; id < config.text.vocab_size; ++id) {
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

SessionOfModel::SessionOfModel(std::shared_ptr<Engine> engine, LoadedModel& model, int64_t context)
    : engine_(std::move(engine)),
      model_(model),
      decoder_(model.NewDecoder()),
      state_(model.config.text, {.context_length = context, .kv_type = model.kv_type}),
      media_(model),
      cached_(decoder_->shape()),
      written_(cached_.layers),
      size_name_(model.size.name),
      logits_(static_cast<size_t>(model.config.text.vocab_size)) {}

void SessionOfModel::CheckRoom(const Prompt& prompt) const {
  const int64_t needed = static_cast<int64_t>(prompt.items.size());
  if (needed < context()) return;
  const int64_t soft = std::count_if(prompt.items.begin(), prompt.items.end(),
                                     [](const Prompt::Item& item) { return item.medium >= 0; });
  std::string message = "prompt has " + std::to_string(needed) + " tokens";
  if (soft > 0) message += " (" + std::to_string(soft) + " of them pictures and sound)";
  throw Error(ErrorKind::kRequest, message + " but the context holds " + std::to_string(context()) +
                                       ", an answer included; shorten it or use a longer context "
                                       "(up to " +
                                       std::to_string(model_.facts.max_context) + ")");
}

void SessionOfModel::ReuseWhatMatches(const Prompt& prompt) {
  const auto same = [&](const Done& done, const Prompt::Item& item) {
    if (done.id != item.id) return false;
    const bool soft = done.medium.owner != nullptr;
    if (soft != (item.medium >= 0)) return false;
    return !soft ||
           (done.row == item.row && done.medium == prompt.media[static_cast<size_t>(item.medium)]);
  };
  // The last position is computed again in any case: its logits are needed.
  const size_t most = std::min(done_.size(), prompt.items.size() - 1);
  size_t common = 0;
  while (common < most && same(done_[common], prompt.items[common])) ++common;
  if (!state_.CanRewind(static_cast<int64_t>(common))) common = 0;
  state_.Rewind(static_cast<int64_t>(common));
  if (rereading_) rereading_->Forget(static_cast<int64_t>(common));
  done_.resize(common);
}

size_t SessionOfModel::ReadChunk(const Prompt& prompt, size_t from) {
  const size_t total = prompt.items.size();
  const size_t end =
      from + static_cast<size_t>(decoder_->NextChunk(static_cast<int64_t>(total - from)));
  std::vector<DecoderInput> inputs;
  for (size_t i = from; i < end; ++i) {
    const Prompt::Item& item = prompt.items[i];
    inputs.push_back(
        {.id = item.id, .soft_token = item.medium < 0 ? nullptr : media_.SoftToken(prompt, item)});
  }
  const bool last = end == total;
  decoder_->Prefill(state_, inputs, last ? LogitsWanted::kLast : LogitsWanted::kNone,
                    last ? std::span<float>(logits_) : std::span<float>());
  for (size_t i = from; i < end; ++i) {
    const Prompt::Item& item = prompt.items[i];
    done_.push_back({item.id,
                     item.medium < 0 ? Medium{} : prompt.media[static_cast<size_t>(item.medium)],
                     item.row});
  }
  return end;
}

bool SessionOfModel::Read(const Prompt& prompt, Request& request,
                          const ProgressCallback& on_progress) {
  const size_t total = prompt.items.size();
  const auto tell = [&](size_t done) {
    return !on_progress || on_progress({"reading the prompt", static_cast<int64_t>(done),
                                        static_cast<int64_t>(total)});
  };
  for (size_t from = done_.size(); from < total;) {
    if (!tell(from)) return false;
    const Clock::time_point begin = Clock::now();
    const size_t end = ReadChunk(prompt, from);
    request.result.timings.prefill_tokens += static_cast<int64_t>(end - from);
    const double seconds = MillisecondsSince(begin) / 1000;
    if (ChangeSizeOfReading(request, end - from, seconds, total - end)) {
      from = done_.size();
      request.result.timings.cached_tokens =
          std::min(request.result.timings.cached_tokens, static_cast<int64_t>(from));
    } else {
      from = end;
    }
  }
  return tell(total);
}

void SessionOfModel::Decode(Request& request, const TextCallback& on_text) {
  const GenerateOptions& options = request.options;
  GenerateResult& result = request.result;
  const std::vector<int32_t>& stops = model_.generation.eos_token_ids;
  Sampler sampler(DecideSampling(options.sampling, model_.generation),
                  model_.config.text.vocab_size, BannedIds(model_.config));
  NextTokens next({model_.weights, *decoder_, state_, sampler}, options.speculation, request.draft,
                  sampler);
  StopMatcher stop(options.stop);
  Detokenizer detokenizer(*model_.tokenizer, /*skip_control_tokens=*/true);
  std::vector<int32_t> seen = result.prompt_token_ids;
  const auto give = [&](const std::string& text) {
    if (result.text.empty() && !text.empty()) {
      result.timings.first_text_ms = MillisecondsSince(request.begin);
    }
    result.text += text;
    return !on_text || on_text(text);
  };
  // Takes a token that was chosen; whether the answer goes on after it.
  const auto take = [&](const NextTokens::Token& token) {
    if (std::find(stops.begin(), stops.end(), token.id) != stops.end()) {
      result.finish_reason = FinishReason::kStop;
      return false;
    }
    if (options.top_logprobs >= 0) {
      result.logprobs.push_back(Sampler::Logprob(token.logits, token.id, options.top_logprobs));
    }
    result.token_ids.push_back(token.id);
    const bool goes_on = give(stop.Push(detokenizer.Push(token.id)));
    if (stop.stopped()) {
      result.finish_reason = FinishReason::kStop;
    } else if (!goes_on) {
      result.finish_reason = FinishReason::kCancelled;
    }
    return goes_on && !stop.stopped();
  };
  result.finish_reason = FinishReason::kLength;
  if (options.max_tokens > 0) {
    seen.push_back(sampler.Sample(logits_, seen));
    bool goes_on = take({seen.back(), logits_});
    while (goes_on && state_.position() < context()) {
      const int64_t left = options.max_tokens - static_cast<int64_t>(result.token_ids.size());
      // Also the last token is computed: the next turn finds it in the cache.
      const size_t before = seen.size();
      const Clock::time_point begin = Clock::now();
      const auto tokens = next.After(seen, std::max<int64_t>(1, left));
      for (size_t i = 0; i < tokens.size(); ++i)
        done_.push_back({seen[before - 1 + i], Medium{}, 0});
      result.timings.decode_tokens += 1;
      const double seconds = MillisecondsSince(begin) / 1000;
      if (left == 0) break;
      size_t taken = 0;
      while (taken < tokens.size() && (goes_on = take(tokens[taken]))) ++taken;
      // Besides the one before them, those that were taken have been computed, but not the last.
      result.timings.decode_tokens += static_cast<int64_t>(std::min(taken, tokens.size() - 1));
      if (taken + 1 < tokens.size()) {
        // What was computed beyond the token that ended the answer.
        done_.resize(done_.size() - (tokens.size() - 1 - taken));
        state_.Rewind(static_cast<int64_t>(done_.size()));
      }
      if (goes_on) ChangeSize(request, seconds);
    }
  }
  result.timings.guessed_tokens = next.guessed();
  result.timings.accepted_tokens = next.accepted();
  if (stop.stopped()) return;
  const std::string rest = stop.Push(detokenizer.Finish());
  give(rest + stop.Finish());
}

GenerateResult SessionOfModel::Generate(const std::vector<Turn>& turns,
                                        const GenerateOptions& options, const TextCallback& on_text,
                                        const ProgressCallback& on_progress) {
  const Clock::time_point begun = Clock::now();
  // Refuses bad options before any work.
  const Sampler wanted(DecideSampling(options.sampling, model_.generation),
                       model_.config.text.vocab_size, {});
  const StopMatcher wanted_stop{options.stop};
  if (options.max_tokens < 0) throw Error(ErrorKind::kRequest, "max_tokens: expected 0 or more");
  const ModelSize& size = options.size ? *options.size : model_.size;
  CheckSizes(options);
  const Prompt prompt = LayOut(model_, turns, options, /*open_answer=*/true);
  CheckRoom(prompt);
  GenerateResult result;
  Request request{options, begun, DraftShape(options, model_.ShapeOf(size)), {}, result};
  if (options.elastic) request.elastic.emplace(model_, options);
  result.timings.load_ms = model_.load_ms;
  result.prompt_token_ids = prompt.ids();
  result.finish_reason = FinishReason::kCancelled;
  if (!media_.Encode(prompt, on_progress, result.timings)) return result;
  ReuseWhatMatches(prompt);
  BeginSize(request, size, prompt.items.size());
  result.timings.cached_tokens = static_cast<int64_t>(done_.size());
  Clock::time_point begin = Clock::now();
  if (!Read(prompt, request, on_progress)) return result;
  result.timings.prefill_ms = MillisecondsSince(begin);
  begin = Clock::now();
  Decode(request, on_text);
  result.timings.decode_ms = MillisecondsSince(begin);
  // LayOut looked before the work; what was written to since then may have made this answer wrong.
  model_.checkpoint->CheckUnchanged();
  return result;
}

}  // namespace gemma3n
