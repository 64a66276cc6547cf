// SPDX-License-Identifier: Apache-2.0
#include "engine/answer.h"

#include <algorithm>
#include <random>

#include "constraint/constraint_state.h"

namespace gemma3n {
namespace {

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
  settings.typical_p = options.typical_p;
  settings.repetition_penalty = options.repetition_penalty;
  settings.repetition_window = options.repetition_window;
  settings.presence_penalty = options.presence_penalty;
  settings.frequency_penalty = options.frequency_penalty;
  settings.logit_bias.assign(options.logit_bias.begin(), options.logit_bias.end());
  CheckRange("temperature", settings.temperature, 0, 100);
  CheckRange("top_k", static_cast<double>(settings.top_k), 0, 1e9);
  CheckRange("top_p", settings.top_p, 0, 1);
  CheckRange("min_p", settings.min_p, 0, 1);
  CheckRange("typical_p", settings.typical_p, 0, 1);
  CheckRange("repetition_penalty", settings.repetition_penalty, 1e-3, 1e3);
  CheckRange("repetition_window", static_cast<double>(settings.repetition_window), -1, 2147483647);
  CheckRange("presence_penalty", settings.presence_penalty, -2, 2);
  CheckRange("frequency_penalty", settings.frequency_penalty, -2, 2);
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

Answer::Answer(LoadedModel& model, const GenerateOptions& options, const TextCallback& on_text,
               std::chrono::steady_clock::time_point begin, GenerateResult& result)
    : options_(options),
      on_text_(on_text),
      begin_(begin),
      result_(result),
      ends_(model.generation.eos_token_ids),
      sampler_(DecideSampling(options.sampling, model.generation), model.config.text.vocab_size,
               BannedIds(model.config)),
      stop_(options.stop),
      detokenizer_(*model.tokenizer, /*skip_control_tokens=*/true),
      seen_(result.prompt_token_ids) {
  result.finish_reason = FinishReason::kLength;
  sampler_.BeginAnswer(seen_.size());
  if (options.constraint != nullptr) {
    constraint_ = std::make_unique<ConstraintState>(options.constraint, model.Tokens());
    sampler_.Follow(constraint_.get());
  }
}

Answer::~Answer() = default;

bool Answer::Give(const std::string& text) {
  if (result_.text.empty() && !text.empty()) {
    result_.timings.first_text_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin_)
            .count();
  }
  result_.text += text;
  return !on_text_ || on_text_(text);
}

bool Answer::Take(const NextTokens::Token& token) {
  if (std::find(ends_.begin(), ends_.end(), token.id) != ends_.end()) {
    result_.finish_reason = FinishReason::kStop;
    if (options_.top_logprobs >= 0) {
      result_.end_logprob = Sampler::Logprob(token.logits, token.id, options_.top_logprobs);
    }
    return false;
  }
  if (options_.top_logprobs >= 0) {
    result_.logprobs.push_back(Sampler::Logprob(token.logits, token.id, options_.top_logprobs));
    if (options_.on_logprob) options_.on_logprob(result_.logprobs.back());
  }
  result_.token_ids.push_back(token.id);
  const bool goes_on = Give(stop_.Push(detokenizer_.Push(token.id)));
  if (stop_.stopped()) {
    result_.finish_reason = FinishReason::kStop;
  } else if (!goes_on) {
    result_.finish_reason = FinishReason::kCancelled;
  }
  if (!goes_on || stop_.stopped()) return false;
  if (constraint_ == nullptr) return true;
  constraint_->Accept(token.id);
  if (constraint_->MustEnd()) result_.finish_reason = FinishReason::kStop;
  return !constraint_->MustEnd();
}

void Answer::Finish() {
  if (stop_.stopped()) return;
  const std::string rest = stop_.Push(detokenizer_.Finish());
  Give(rest + stop_.Finish());
}

}  // namespace gemma3n
