// SPDX-License-Identifier: Apache-2.0
#include "server/genai/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/genai/config.h"
#include "server/genai/content.h"

namespace gemma3n::server {
namespace {

const std::vector<std::string_view> kKnown = {
    "model",       "contents",   "systemInstruction", "generationConfig",
    "tools",       "toolConfig", "safetySettings",    "labels",
    "serviceTier", "store",      "cachedContent"};

// Whom an answer would offend, the model alone decides; what is asked of a filter must be sound.
void CheckSafety(const ProtoField& settings) {
  if (!settings.present()) return;
  constexpr size_t kMostSettings = 64;
  for (const ProtoField& setting : settings.Items(kMostSettings)) {
    setting["category"].Text();
    setting["threshold"].Text();
    if (setting["method"].present()) setting["method"].Text();
  }
}

enum class Purpose { kAnswer, kCount };

// The prompt however long it is, and whoever has the last word.
void LayOutToCount(const Conversation& conversation, const ProtoField& contents,
                   const Service& service, GenAiCall& call, Ask& ask) {
  ask.turns = conversation.Turns(contents, call.tools);
  try {
    service.worker.LayOut(ask);
  } catch (const Refusal& refusal) {  // the ids are there all the same
    if (refusal.reason != Reason::kContextLength) throw;
  }
  call.asks.push_back(std::move(ask));
}

GenAiCall ReadCall(const ProtoField& body, const std::string& model, const Service& service,
                   const std::string& owner, Purpose purpose) {
  if (!body.json().is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  GenAiCall call;
  call.model = ReadModelIn(model, service);
  if (body["model"].present()) ReadModelIn(body["model"].Text(), service);
  CheckSafety(body["safetySettings"]);
  const ProtoField cached = body["cachedContent"];
  if (cached.present() && !cached.Text().empty()) {
    CannotDo(cached, "what was read before is found again by itself; send it as contents");
  }
  call.ignored = body.Others(kKnown);
  const ProtoField config = body["generationConfig"];
  Ask ask;
  ask.options = ReadGenerationConfig(config, service);
  ReadGenerateContentConfig(config, ask.options, call.ignored);
  call.choices_per_prompt = static_cast<size_t>(
      config["candidateCount"].Integer(1, static_cast<int64_t>(kMostChoices)).value_or(1));
  call.tools = ReadGenAiTools(body);
  ask.options.constraint = ReadResponseForm(config, call.tools);
  // Last, since it decodes pictures and sound.
  MediaParts media(service, owner, call);
  ContentReader reader;
  reader.AddSystem(body["systemInstruction"], media);
  const ProtoField contents = body["contents"];
  reader.Add(contents.Items(kMostMessages), media);
  if (purpose == Purpose::kCount) {
    LayOutToCount(reader.conversation, contents, service, call, ask);
  } else {
    reader.conversation.LayOut(contents, call.tools, ask);
    AddChoices(ask, service, call);
  }
  return call;
}

}  // namespace

std::string ReadModelIn(const std::string& name, const Service& service) {
  constexpr std::string_view kPrefix = "models/";
  const std::string model = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
  service.CheckModel(model);
  return model;
}

GenAiCall ReadGenerateContent(const ProtoField& body, const std::string& model,
                              const Service& service, const std::string& owner) {
  return ReadCall(body, model, service, owner, Purpose::kAnswer);
}

GenAiCall ReadCountTokens(const ProtoField& body, const std::string& model, const Service& service,
                          const std::string& owner) {
  if (!body.json().is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const ProtoField request = body["generateContentRequest"];
  if (request.present() && body["contents"].present()) {
    Expected(request, "no contents beside it");
  }
  return ReadCall(request.present() ? request : body, model, service, owner, Purpose::kCount);
}

}  // namespace gemma3n::server
