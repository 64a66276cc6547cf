// SPDX-License-Identifier: Apache-2.0
#include "server/openai/fields.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/openai/answer.h"
#include "server/refusal.h"
#include "server/sizes.h"

namespace gemma3n::server {
namespace {

const std::vector<std::string_view> kSampling = {"model", "stream", "stream_options", "temperature",
                                                 "top_p", "stop", "seed", "presence_penalty",
                                                 "frequency_penalty", "logit_bias", "user",
                                                 // beyond OpenAI's:
                                                 "top_k", "min_p", "typical_p", "repeat_penalty",
                                                 "num_ctx", "keep_alive", "cache_prompt", "size"};

}  // namespace

std::string ReadModel(const Field& body, const Service& service) {
  if (!body.json().is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const Field model = body["model"];
  const std::string name = model.present() ? model.Text() : service.options.model_name;
  service.CheckModel(name);
  return name;
}

void ReadCall(const Field& body, const Service& service, OpenAiCall& call) {
  call.model = ReadModel(body, service);
  call.stream = body["stream"].Flag(false);
  const Field stream_options = body["stream_options"];
  if (stream_options.present() && !call.stream) {
    throw Refusal(Reason::kInvalidValue, "stream_options: only together with stream: true",
                  "stream_options");
  }
  call.include_usage = stream_options["include_usage"].Flag(false);
  stream_options["include_obfuscation"].Flag(false);
  const Field n = body["n"];
  call.choices_per_prompt = static_cast<size_t>(n.Integer(1, 128).value_or(1));
  if (call.choices_per_prompt > kMostChoices) {
    CannotDo(n, "at most " + std::to_string(kMostChoices) + " choices are served");
  }
  CheckLeftAlone(body, {{"user", LeftAlone::Type::kText},
                        {"cache_prompt", LeftAlone::Type::kFlag},
                        {"keep_alive", LeftAlone::Type::kAny}});
}

void ReadShape(const Field& body, const Service& service, GenerateOptions& options) {
  SamplingOptions& sampling = options.sampling;
  sampling.temperature = body["temperature"].Number(0, 2);
  sampling.top_p = body["top_p"].Number(0, 1);
  sampling.top_k = body["top_k"].Integer(0, service.engine.facts().vocab_size);
  sampling.min_p = body["min_p"].Number(0, 1).value_or(0);
  sampling.typical_p = body["typical_p"].Number(0, 1).value_or(1);
  sampling.repetition_penalty = body["repeat_penalty"].Number(0.001, 100).value_or(1);
  options.size = ReadSize(body["size"], service);
  const Field context = body["num_ctx"];
  if (context.Integer(1, INT32_MAX).value_or(0) > service.context) {
    CannotDo(context, "sessions have a context of " + std::to_string(service.context) +
                          "; start the server with a larger --ctx");
  }
}

void ReadSampling(const Field& body, const Service& service, GenerateOptions& options) {
  ReadShape(body, service, options);
  SamplingOptions& sampling = options.sampling;
  sampling.presence_penalty = body["presence_penalty"].Number(-2, 2).value_or(0);
  sampling.frequency_penalty = body["frequency_penalty"].Number(-2, 2).value_or(0);
  if (const auto seed = body["seed"].Integer(INT64_MIN, INT64_MAX)) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
  sampling.logit_bias = ReadTokenBiases(body["logit_bias"], service);
  options.stop = ReadStops(body["stop"]);
}

void ListenToLogprobs(OpenAiCall& call) {
  for (Ask& ask : call.asks) {
    if (!call.stream || ask.options.top_logprobs < 0) return;
    const auto queue = std::make_shared<LogprobQueue>();
    ask.options.on_logprob = [queue](const TokenLogprob& token) { queue->Push(token); };
    call.logprobs.push_back(queue);
  }
}

void CheckLeftAlone(const Field& body, const std::vector<LeftAlone>& fields) {
  for (const auto& [name, type] : fields) {
    const Field field = body[name];
    if (!field.present()) continue;
    switch (type) {
      case LeftAlone::Type::kFlag:
        field.Flag(false);
        break;
      case LeftAlone::Type::kText:
        field.Text();
        break;
      case LeftAlone::Type::kObject:
        if (!field.json().is_object()) Expected(field, "an object");
        break;
      case LeftAlone::Type::kInteger:
        field.Integer(0, INT64_MAX);
        break;
      case LeftAlone::Type::kAny:
        break;
    }
  }
}

std::string ReadMetadata(const Field& field) {
  constexpr size_t kMostPairs = 16, kMostBytes = 512;
  if (!field.present()) return "";
  if (!field.json().is_object()) Expected(field, "an object of texts");
  if (field.json().size() > kMostPairs) {
    Expected(field, "at most " + std::to_string(kMostPairs) + " members");
  }
  for (const auto& [name, value] : field.json().items()) {
    const Field member(value, field.path() + "." + Shown(name));
    if (name.size() > kMostBytes || member.Text().size() > 4 * kMostBytes) {
      Expected(member, "a text of at most " + std::to_string(kMostBytes) + " characters");
    }
  }
  return JsonLine(field.json());
}

std::map<int32_t, double> ReadTokenBiases(const Field& field, const Service& service) {
  constexpr double kBan = -100;  // OpenAI's word for it
  const int64_t vocab_size = service.engine.facts().vocab_size;
  const std::map<int32_t, double> biases = ReadBiases(field, vocab_size);
  const auto banned = std::count_if(biases.begin(), biases.end(),
                                    [](const auto& bias) { return bias.second <= kBan; });
  if (banned == vocab_size) Expected(field, "a token that is not at -100, found none");
  return biases;
}

std::vector<std::string> UnknownFields(const Field& body, const std::vector<std::string_view>& more,
                                       const std::vector<LeftAlone>& left_alone) {
  std::vector<std::string_view> known = kSampling;
  known.insert(known.end(), more.begin(), more.end());
  for (const LeftAlone& field : left_alone) known.emplace_back(field.name);
  return body.Others(known);
}

}  // namespace gemma3n::server
