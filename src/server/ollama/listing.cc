// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/listing.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/ollama/manage.h"

namespace gemma3n::server {
namespace {

Json DetailsOf(const Service& service, const OllamaName& name) {
  return {{"parent_model", name.parent},
          {"format", service.card->format},
          {"family", "gemma3n"},
          {"families", {"gemma3n"}},
          {"parameter_size", service.card->parameter_size},
          {"quantization_level", service.card->report.dtypes},
          {"context_length", service.context},
          {"embedding_length", service.card->report.hidden_size}};
}

Json Capabilities(const Service& service) {
  Json list = {"completion", "tools", "embedding"};
  if (service.engine.facts().sees) list.push_back("vision");
  if (service.engine.facts().hears) list.push_back("audio");
  return list;
}

Json Entry(const Service& service, const OllamaName& name) {
  return {{"name", name.name},
          {"model", name.name},
          {"size", service.card->report.file_bytes},
          {"digest", service.card->digest},
          {"details", DetailsOf(service, name)}};
}

// The model stays as long as the process does; clients want a time all the same.
std::string FarAway() {
  constexpr auto kYears = std::chrono::hours(24 * 365 * 100);
  return TimeText(std::chrono::system_clock::now() + kYears);
}

}  // namespace

std::string TagsText(const Service& service, const OllamaNames& names) {
  Json models = Json::array();
  for (const OllamaName& name : names.All()) {
    Json entry = Entry(service, name);
    entry["modified_at"] = TimeText(name.modified_at);
    entry["capabilities"] = Capabilities(service);
    models.push_back(std::move(entry));
  }
  return JsonLine({{"models", std::move(models)}});
}

std::string RunningText(const Service& service, const OllamaNames& names) {
  Json models = Json::array();
  for (const OllamaName& name : names.All()) {
    Json entry = Entry(service, name);
    entry["expires_at"] = FarAway();
    entry["size_vram"] = 0;
    entry["context_length"] = service.context;
    models.push_back(std::move(entry));
  }
  return JsonLine({{"models", std::move(models)}});
}

std::string ShowText(const Service& service, const OllamaName& name) {
  const ModelReport& report = service.card->report;
  Json parameters = {{"temperature", report.temperature},
                     {"top_k", report.top_k},
                     {"top_p", report.top_p},
                     {"stop", "<end_of_turn>"}};
  parameters.update(Json::parse(name.options));
  const Json info = {{"general.architecture", "gemma3n"},
                     {"general.parameter_count", report.total},
                     {"gemma3n.block_count", report.layers.size()},
                     {"gemma3n.context_length", report.max_context},
                     {"gemma3n.embedding_length", report.hidden_size},
                     {"gemma3n.attention.head_count", report.num_attention_heads},
                     {"gemma3n.attention.head_count_kv", report.num_key_value_heads},
                     {"gemma3n.attention.key_length", report.head_dim},
                     {"gemma3n.attention.sliding_window", report.sliding_window},
                     {"gemma3n.vocab_size", report.vocab_size}};
  Json shown = {{"license", ""},
                {"modelfile", ModelfileOf(name, name.parent.empty() ? name.name : name.parent)},
                {"parameters", ParameterLines(parameters)},
                {"template",
                 "<start_of_turn>user\n{{ .System }}\n\n{{ .Prompt }}<end_of_turn>\n"
                 "<start_of_turn>model\n{{ .Response }}<end_of_turn>\n"},
                {"details", DetailsOf(service, name)},
                {"model_info", info},
                {"capabilities", Capabilities(service)},
                {"modified_at", TimeText(name.modified_at)}};
  if (!name.system.empty()) shown["system"] = name.system;
  return JsonLine(shown);
}

}  // namespace gemma3n::server
