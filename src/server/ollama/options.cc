// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/options.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace gemma3n::server {
namespace {

const std::vector<std::string_view> kKnown = {"num_ctx",
                                              "num_predict",
                                              "temperature",
                                              "top_k",
                                              "top_p",
                                              "min_p",
                                              "typical_p",
                                              "seed",
                                              "stop",
                                              "repeat_penalty",
                                              "num_keep",
                                              "repeat_last_n",
                                              "num_thread",
                                              "presence_penalty",
                                              "frequency_penalty",
                                              "num_gpu",
                                              "num_batch",
                                              "main_gpu",
                                              "use_mmap",
                                              "low_vram",
                                              "numa",
                                              "vocab_only",
                                              "f16_kv",
                                              "logits_all",
                                              "use_mlock"};
constexpr int64_t kMostInt = INT32_MAX;

void ReadSampling(const Field& options, const ModelFacts& facts, SamplingOptions& sampling) {
  sampling.temperature = options["temperature"].Number(0, 100);
  if (const auto top_k = options["top_k"].Integer(0, kMostInt)) {
    sampling.top_k = std::min(*top_k, facts.vocab_size);
  }
  sampling.top_p = options["top_p"].Number(0, 1);
  sampling.min_p = options["min_p"].Number(0, 1).value_or(0);
  sampling.typical_p = options["typical_p"].Number(0, 1).value_or(1);
  const auto seed = options["seed"].Integer(INT64_MIN, INT64_MAX);
  if (seed && *seed != -1) sampling.seed = static_cast<uint64_t>(*seed);
}

void ReadPenalties(const Field& options, SamplingOptions& sampling) {
  const Field penalty = options["repeat_penalty"];
  sampling.repetition_penalty = penalty.Number(0, 100).value_or(1);
  if (sampling.repetition_penalty == 0) sampling.repetition_penalty = 1;  // Ollama's word for none
  if (sampling.repetition_penalty < 0.001) Expected(penalty, "0, or at least 0.001");
  constexpr int64_t kUsualWindow = 64;
  sampling.repetition_window =
      options["repeat_last_n"].Integer(-1, kMostInt).value_or(kUsualWindow);
  if (sampling.repetition_window == 0) {  // none is looked at
    sampling.repetition_penalty = 1;
    sampling.repetition_window = -1;
  }
  sampling.presence_penalty = options["presence_penalty"].Number(-2, 2).value_or(0);
  sampling.frequency_penalty = options["frequency_penalty"].Number(-2, 2).value_or(0);
}

// What is about the machine and changes no text.
void CheckTheRest(const Field& options) {
  for (const char* name : {"num_keep", "num_thread", "num_gpu", "num_batch", "main_gpu"}) {
    options[name].Integer(-kMostInt, kMostInt);
  }
  for (const char* name :
       {"use_mmap", "low_vram", "numa", "vocab_only", "f16_kv", "logits_all", "use_mlock"}) {
    options[name].Flag(false);
  }
}

}  // namespace

OllamaOptions ReadOllamaOptions(const Field& options, const Service& service) {
  if (options.present() && !options.json().is_object()) Expected(options, "an object");
  OllamaOptions read;
  ReadSampling(options, service.engine.facts(), read.generate.sampling);
  ReadPenalties(options, read.generate.sampling);
  CheckTheRest(options);
  read.generate.stop = ReadStops(options["stop"]);
  // A session is as long as it is; less of it may be used.
  read.context =
      std::min(service.context, options["num_ctx"].Integer(1, kMostInt).value_or(service.context));
  const int64_t most = options["num_predict"].Integer(-2, kMostInt).value_or(-1);
  read.generate.max_tokens = most > 0 ? std::min(most, read.context) : read.context;
  if (options.present()) {
    for (const std::string& name : options.Others(kKnown)) {
      read.ignored.push_back("options." + name);
    }
  }
  return read;
}

double ReadSeconds(const Field& duration) {
  constexpr double kMost = 1e9;
  if (!duration.is_text()) return duration.Number(-kMost, kMost).value_or(0);
  const auto complain = [&] { Expected(duration, "seconds, or a duration such as \"5m\""); };
  std::string_view text = duration.Text();
  const bool negative = text.starts_with("-");
  if (negative || text.starts_with("+")) text.remove_prefix(1);
  if (text.empty()) complain();
  double seconds = 0;
  while (!text.empty()) {
    double count = 0;
    const char* const end = text.data() + text.size();
    const auto [next, error] = std::from_chars(text.data(), end, count, std::chars_format::fixed);
    if (error != std::errc() || !(count >= 0 && count <= kMost)) complain();
    text.remove_prefix(static_cast<size_t>(next - text.data()));
    constexpr std::pair<std::string_view, double> kUnits[] = {
        {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"h", 3600}, {"m", 60}, {"s", 1}};
    const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                   [&](const auto& one) { return text.starts_with(one.first); });
    if (unit == std::end(kUnits)) {
      if (count != 0 || !text.empty()) complain();
      break;  // "0" has none
    }
    text.remove_prefix(unit->first.size());
    seconds += count * unit->second;
  }
  return negative ? -seconds : seconds;
}

}  // namespace gemma3n::server
