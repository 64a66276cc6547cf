// SPDX-License-Identifier: Apache-2.0
#include "server/model_list.h"

#include <nlohmann/json.hpp>

#include "server/answer_json.h"

namespace gemma3n::server {
namespace {

void AddOpenAi(const Service& service, const std::string& name, Json& model) {
  const ModelFacts& facts = service.engine.facts();
  const SizeFacts size = service.engine.FactsOf(service.engine.size());
  Json modalities = {"text"};
  if (facts.sees) modalities.push_back("image");
  if (facts.hears) modalities.push_back("audio");
  if (facts.sees) modalities.push_back("video");
  model["id"] = name;
  model["object"] = "model";
  model["created"] = service.created_at;
  model["owned_by"] = "local";
  model["meta"] = {{"context", service.context},
                   {"params", service.card->report.total},
                   {"effective_params", size.effective_parameters},
                   {"size_bytes", service.card->report.file_bytes},
                   {"format", service.card->report.dtypes},
                   {"size", service.engine.size().name},
                   {"modalities", modalities},
                   {"loaded", true}};
}

void AddGoogle(const Service& service, const std::string& name, Json& model) {
  model["name"] = "models/" + name;
  model["baseModelId"] = name;
  model["version"] = "1";
  model["displayName"] = name;
  model["description"] = service.card->report.kind + ", " + service.card->parameter_size +
                         " parameters, on this server";
  model["inputTokenLimit"] = service.context;
  model["outputTokenLimit"] = service.context;
  model["supportedGenerationMethods"] = {"generateContent", "streamGenerateContent", "countTokens",
                                         "embedContent", "batchEmbedContents"};
  model["temperature"] = service.card->report.temperature;
  model["maxTemperature"] = 2.0;
  model["topP"] = service.card->report.top_p;
  model["topK"] = service.card->report.top_k;
  model["thinking"] = false;
}

Json ModelJson(const Service& service, const std::string& name) {
  Json model = Json::object();
  AddOpenAi(service, name, model);
  AddGoogle(service, name, model);
  return model;
}

}  // namespace

std::string ModelText(const Service& service, const std::string& name) {
  service.CheckModel(name);
  return JsonLine(ModelJson(service, name));
}

std::string ModelListText(const Service& service, const ListPage& page) {
  const std::vector<std::string> names = service.ModelNames();
  Json models = Json::array();
  for (size_t i = page.Begin(names.size()); i < page.End(names.size()); ++i) {
    models.push_back(ModelJson(service, names[i]));
  }
  Json list = {{"object", "list"}, {"data", models}, {"models", models}};
  page.AddNext(names.size(), list);
  return JsonLine(list);
}

}  // namespace gemma3n::server
