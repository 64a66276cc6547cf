// SPDX-License-Identifier: Apache-2.0
#include "server/genai/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/call.h"
#include "server/genai/schema.h"

namespace gemma3n::server {
namespace {

constexpr int64_t kMostInt = INT32_MAX;

const std::vector<std::string_view> kKnown = {"temperature",
                                              "topP",
                                              "topK",
                                              "maxOutputTokens",
                                              "candidateCount",
                                              "stopSequences",
                                              "seed",
                                              "presencePenalty",
                                              "frequencyPenalty",
                                              "responseMimeType",
                                              "responseSchema",
                                              "responseJsonSchema",
                                              "responseLogprobs",
                                              "logprobs",
                                              "mediaResolution",
                                              "thinkingConfig",
                                              "responseModalities",
                                              "enableEnhancedCivicAnswers"};
// Of all tools of Google's service these alone are the client's own.
constexpr const char* kFunctions = "functionDeclarations";

void ReadSampling(const ProtoField& config, const ModelFacts& facts, SamplingOptions& sampling) {
  sampling.temperature = config["temperature"].Number(0, 2);
  sampling.top_p = config["topP"].Number(0, 1);
  if (const auto top_k = config["topK"].Integer(0, kMostInt)) {
    sampling.top_k = std::min(*top_k, facts.vocab_size);
  }
  sampling.presence_penalty = config["presencePenalty"].Number(-2, 2).value_or(0);
  sampling.frequency_penalty = config["frequencyPenalty"].Number(-2, 2).value_or(0);
  if (const auto seed = config["seed"].Integer(INT64_MIN, INT64_MAX)) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
}

// Pixels of a picture's side; never more than the model takes by itself.
int64_t ReadResolution(const ProtoField& resolution, const ModelFacts& facts) {
  const auto word = resolution.Word({"MEDIA_RESOLUTION_UNSPECIFIED", "MEDIA_RESOLUTION_LOW",
                                     "MEDIA_RESOLUTION_MEDIUM", "MEDIA_RESOLUTION_HIGH"});
  if (word == "MEDIA_RESOLUTION_LOW") return std::min<int64_t>(256, facts.default_image_size);
  if (word == "MEDIA_RESOLUTION_MEDIUM") return std::min<int64_t>(512, facts.default_image_size);
  return 0;
}

void CheckModalities(const ProtoField& modalities) {
  if (!modalities.present()) return;
  for (const ProtoField& modality : modalities.Items(8)) {
    const auto word = modality.Word({"MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"});
    if (word == "IMAGE" || word == "AUDIO" || word == "VIDEO") {
      CannotDo(modality, "the model answers in text alone; expected TEXT, found " + *word);
    }
  }
}

void RefuseWhatCannotBeDone(const ProtoField& config) {
  for (const char* name : {"speechConfig", "imageConfig"}) {
    if (config[name].present()) CannotDo(config[name], "the model answers in text alone");
  }
  for (const char* name : {"audioTranscriptionConfig", "routingConfig", "modelSelectionConfig",
                           "translationConfig", "responseFormat"}) {
    if (config[name].present()) CannotDo(config[name], "not served");
  }
  for (const char* name : {"audioTimestamp", "enableAffectiveDialog"}) {
    if (config[name].Flag(false)) CannotDo(config[name], "not served");
  }
  const ProtoField thinking = config["thinkingConfig"];
  thinking["includeThoughts"].Flag(false);  // there are none
  thinking["thinkingBudget"].Integer(-1, kMostInt);
  // Models to come have levels of their own.
  if (thinking["thinkingLevel"].present()) thinking["thinkingLevel"].Text();
}

void ReadLogprobs(const ProtoField& config, GenerateOptions& options) {
  const bool wanted = config["responseLogprobs"].Flag(false);
  const ProtoField count = config["logprobs"];
  const auto others = count.Integer(0, kMostTopLogprobs);
  if (others && !wanted) Expected(count, "responseLogprobs: true beside it");
  if (wanted) options.top_logprobs = static_cast<int>(others.value_or(0));
}

void AddFunctions(const ProtoField& declarations, ToolUse& use) {
  for (const ProtoField& declaration : declarations.Items(kMostTools)) {
    Tool tool{.path = declaration.path()};
    const ProtoField name = declaration["name"], description = declaration["description"];
    tool.name = name.Text();
    CheckToolName(tool.name, name.path(), NameRule::kWide);
    if (description.present()) tool.description = description.Text();
    const ProtoField schema = declaration["parameters"];
    const ProtoField json_schema = declaration["parametersJsonSchema"];
    if (schema.present() && json_schema.present()) {
      Expected(json_schema, "no parameters beside it");
    }
    if (schema.present()) tool.parameters = JsonSchemaOf(schema);
    if (json_schema.present()) {
      if (!json_schema.json().is_object()) Expected(json_schema, "a JSON schema");
      tool.parameters = JsonLine(json_schema.json());
    }
    declaration["behavior"].Word({"UNSPECIFIED", "BLOCKING"});
    AddTool(std::move(tool), use);
  }
}

void ReadChoice(const ProtoField& config, ToolUse& use) {
  const std::string mode = config["mode"]
                               .Word({"MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"})
                               .value_or("AUTO");
  if (mode == "NONE") use.choice = ToolChoice::kNone;
  if (mode == "ANY") use.choice = ToolChoice::kRequired;
  for (Tool& tool : use.tools) tool.strict = mode == "VALIDATED";
  const ProtoField allowed = config["allowedFunctionNames"];
  if (!allowed.present()) return;
  for (const ProtoField& name : allowed.Items(kMostTools)) Allow(name.Text(), name.path(), use);
}

}  // namespace

GenerateOptions ReadGenerationConfig(const ProtoField& config, const Service& service) {
  if (config.present() && !config.json().is_object()) Expected(config, "an object");
  CheckModalities(config["responseModalities"]);
  GenerateOptions options;
  ReadSampling(config, service.engine.facts(), options.sampling);
  options.stop = ReadStops(config["stopSequences"]);
  options.max_tokens = std::min(
      service.context, config["maxOutputTokens"].Integer(1, INT64_MAX).value_or(service.context));
  options.image_size = ReadResolution(config["mediaResolution"], service.engine.facts());
  return options;
}

void ReadGenerateContentConfig(const ProtoField& config, GenerateOptions& options,
                               std::vector<std::string>& ignored) {
  RefuseWhatCannotBeDone(config);
  ReadLogprobs(config, options);
  if (!config.present()) return;
  for (const std::string& name : config.Others(kKnown)) {
    ignored.push_back("generationConfig." + name);
  }
}

ToolUse ReadGenAiTools(const ProtoField& body) {
  ToolUse use;
  const ProtoField tools = body["tools"], config = body["toolConfig"];
  if (tools.present()) {
    for (const ProtoField& tool : tools.Items(kMostTools)) {
      if (!tool.json().is_object()) Expected(tool, "an object");
      for (const std::string& other : tool.Others({kFunctions})) {
        CannotDo(tool[other.c_str()], "only functions are served as tools");
      }
      if (tool[kFunctions].present()) AddFunctions(tool[kFunctions], use);
    }
  }
  ReadChoice(config["functionCallingConfig"], use);
  return use;
}

std::shared_ptr<const Constraint> ReadResponseForm(const ProtoField& config, ToolUse& tools) {
  const ProtoField type = config["responseMimeType"], schema = config["responseSchema"];
  const ProtoField json_schema = config["responseJsonSchema"];
  const std::string mime = type.present() ? type.Text() : "text/plain";
  if (schema.present() && json_schema.present())
    Expected(json_schema, "no responseSchema beside it");
  const ProtoField& given = schema.present() ? schema : json_schema;
  if (mime == "text/plain" || mime.empty()) {
    if (given.present()) Expected(given, "responseMimeType \"application/json\" beside it");
    return ToolConstraint(tools);
  }
  if (mime != "application/json" && mime != "text/x.enum") {
    Expected(type,
             "'text/plain', 'application/json' or 'text/x.enum', found '" + Shown(mime) + "'");
  }
  if (mime == "text/x.enum") {
    if (tools.calls()) CannotDo(type, "not together with functions");
    std::vector<std::string> words;
    for (const ProtoField& word : given["enum"].Items(4096)) words.push_back(word.Text());
    return CompileSchema(given["enum"].path(), [&] { return Constraints().OneOf(words); });
  }
  // A list could be taken for calls.
  const char* const any = tools.calls() ? R"({"type":"object"})" : R"({"type":["object","array"]})";
  const std::string text = schema.present()        ? JsonSchemaOf(schema)
                           : json_schema.present() ? JsonLine(json_schema.json())
                                                   : any;
  return FormConstraint(text, given.path(), tools);
}

}  // namespace gemma3n::server
