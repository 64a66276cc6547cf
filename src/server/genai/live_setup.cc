// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live_setup.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/base64.h"
#include "server/genai/live_schema.h"
#include "server/languages.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostTextBytes = 1 << 20, kMostTurns = 4096;

std::string SnakeOf(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isupper(letter) != 0) snake += '_';
    snake += static_cast<char>(std::tolower(letter));
  }
  return snake;
}

// A whole number, or the text of one.
std::optional<int64_t> IntegerOf(const Field& field, int64_t least, int64_t most) {
  if (!field.is_text()) return field.Integer(least, most);
  const std::string& text = field.Text();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    Expected(field, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::string TextOf(const Field& field) {
  const std::string& text = field.Text();
  if (text.size() > kMostTextBytes) {
    Expected(field, "at most " + std::to_string(kMostTextBytes) + " bytes");
  }
  return text;
}

std::string ReadSystem(const Field& content) {
  if (!content.present()) return "";
  if (content.is_text()) return TextOf(content);
  std::string system;
  for (const Field& part : content["parts"].Items(kMostParts)) {
    if (!part["text"].present()) CannotDo(part, "the system's instruction is text alone");
    system += (system.empty() ? "" : "\n\n") + TextOf(part["text"]);
  }
  return system;
}

void CheckModalities(const Field& modalities) {
  if (!modalities.present()) return;
  for (const Field& one : modalities.Items(8)) {
    if (one.Text() != "TEXT" && one.Text() != "MODALITY_UNSPECIFIED") {
      CannotDo(one, "this model answers in text; expected TEXT, found '" + Shown(one.Text()) + "'");
    }
  }
}

void ReadConfig(const Field& config, const Service& service, LiveSetup& setup) {
  CheckModalities(Member(config, "responseModalities"));
  for (const char* name : {"responseSchema", "responseJsonSchema"}) {
    if (Member(config, name).present())
      CannotDo(Member(config, name), "not served in a live session");
  }
  const Field type = Member(config, "responseMimeType");
  if (type.present() && type.Text() != "text/plain")
    CannotDo(type, "only text/plain is served here");
  const Field count = Member(config, "candidateCount");
  if (IntegerOf(count, 1, 8).value_or(1) != 1) CannotDo(count, "a live session has one answer");
  SamplingOptions& sampling = setup.options.sampling;
  sampling.temperature = config["temperature"].Number(0, 2);
  sampling.top_p = Member(config, "topP").Number(0, 1);
  sampling.top_k = IntegerOf(Member(config, "topK"), 0, service.engine.facts().vocab_size);
  if (sampling.top_p == 0.0) {
    sampling.top_p.reset();
    sampling.top_k = 1;
  }
  sampling.presence_penalty = Member(config, "presencePenalty").Number(-2, 2).value_or(0);
  sampling.frequency_penalty = Member(config, "frequencyPenalty").Number(-2, 2).value_or(0);
  if (const auto seed = IntegerOf(config["seed"], INT64_MIN, INT64_MAX)) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
  setup.options.stop = ReadStops(Member(config, "stopSequences"));
  setup.options.max_tokens = std::min(
      service.context,
      IntegerOf(Member(config, "maxOutputTokens"), 1, INT32_MAX).value_or(service.context));
}

// Whether functions may, must or must not be called; as generateContent has it.
void ReadCalling(const Field& config, ToolUse& use) {
  const std::string mode = config["mode"]
                               .Word({"MODE_UNSPECIFIED", "AUTO", "VALIDATED", "ANY", "NONE"})
                               .value_or("AUTO");
  if (mode == "ANY") use.choice = ToolChoice::kRequired;
  if (mode == "NONE") use.choice = ToolChoice::kNone;
  const Field allowed = Member(config, "allowedFunctionNames");
  for (const Field& name : allowed.present() ? allowed.Items(kMostTools) : std::vector<Field>()) {
    Allow(name.Text(), name.path(), use);
  }
}

void ReadTools(const Field& tools, const Field& config, LiveSetup& setup) {
  for (const Field& tool : tools.present() ? tools.Items(kMostTools) : std::vector<Field>()) {
    const std::vector<std::string> others =
        tool.Others({"functionDeclarations", "function_declarations"});
    if (!others.empty()) {
      CannotDo(tool[others[0].c_str()], "only functionDeclarations are served");
    }
    const Field declared = Member(tool, "functionDeclarations");
    if (!declared.present()) continue;
    for (const Field& function : declared.Items(kMostTools)) {
      AddTool(ReadDeclaration(function), setup.tools);
    }
  }
  ReadCalling(Member(config, "functionCallingConfig"), setup.tools);
  setup.options.constraint = ToolConstraint(setup.tools);
}

// A sensitivity as the detection has it.
bool IsLow(const Field& sensitivity, const char* high, const char* low) {
  return sensitivity
             .Word({"START_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_UNSPECIFIED", high, low})
             .value_or(high) == low;
}

void ReadInput(const Field& input, LiveSetup& setup) {
  const Field automatic = Member(input, "automaticActivityDetection");
  if (automatic["disabled"].Flag(false)) {
    setup.detection.reset();
  } else {
    Detection& detection = *setup.detection;
    if (IsLow(Member(automatic, "startOfSpeechSensitivity"), "START_SENSITIVITY_HIGH",
              "START_SENSITIVITY_LOW")) {
      detection.threshold = 0.7;
    }
    if (IsLow(Member(automatic, "endOfSpeechSensitivity"), "END_SENSITIVITY_HIGH",
              "END_SENSITIVITY_LOW")) {
      detection.silence_ms = 1000;
    }
    detection.prefix_ms =
        IntegerOf(Member(automatic, "prefixPaddingMs"), 0, 5000).value_or(detection.prefix_ms);
    detection.silence_ms = IntegerOf(Member(automatic, "silenceDurationMs"), 100, 10000)
                               .value_or(detection.silence_ms);
  }
  setup.interrupts = Member(input, "activityHandling")
                         .Word({"ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS",
                                "NO_INTERRUPTION"})
                         .value_or("") != "NO_INTERRUPTION";
  setup.only_activity = Member(input, "turnCoverage")
                            .Word({"TURN_COVERAGE_UNSPECIFIED", "TURN_INCLUDES_ONLY_ACTIVITY",
                                   "TURN_INCLUDES_ALL_INPUT"})
                            .value_or("") != "TURN_INCLUDES_ALL_INPUT";
}

void ReadTranscription(const Field& config, LiveSetup& setup) {
  if (!config.present()) return;
  setup.transcribes.emplace();
  const Field codes = Member(config, "languageCodes");
  if (!codes.present()) return;
  const std::vector<Field> all = codes.Items(64);
  for (const Field& code : all) {
    if (!LanguageNamed(code.Text())) Expected(code, "a language such as \"en-US\"");
  }
  if (all.size() == 1) setup.transcribes->language = all[0].Text();
}

class PartReader {
 public:
  PartReader(const Service& service, const std::string& owner,
             std::map<std::string, std::string>& names)
      : service_(service), names_(names), media_(service, owner, call_) {}

  void Read(const Field& part, Role role, std::vector<Turn>& turns) {
    media_.CountPart(part);
    const Field call = Member(part, "functionCall"), response = Member(part, "functionResponse");
    if (part["thought"].Flag(false)) return;
    if (part["text"].present()) {
      AddTurn({role, {Part(TextOf(part["text"]))}}, turns);
    } else if (Member(part, "inlineData").present()) {
      if (role == Role::kModel) CannotDo(part, "what the model says is text");
      for (Part& one : Inline(Member(part, "inlineData"))) AddTurn({role, {std::move(one)}}, turns);
    } else if (call.present()) {
      AddCall(call, turns);
    } else if (response.present()) {
      const std::string& name = response["name"].Text();
      AddTurn({Role::kUser, {ReadFunctionResponse(response, name)}}, turns);
    } else {
      CannotDo(part, "expected text, inlineData, functionCall or functionResponse");
    }
  }

 private:
  std::vector<Part> Inline(const Field& blob) {
    const Field type = Member(blob, "mimeType");
    const std::string& mime = type.Text();
    const Json text = Base64Of(blob["data"]);
    const Field data(text, blob["data"].path());
    if (mime.starts_with("image/")) return {media_.Picture(data, true)};
    if (mime.starts_with("video/")) return {media_.Film(data, {}, true)};
    if (mime.starts_with("audio/pcm")) return Raw(data, ReadSoundType(type));
    if (mime.starts_with("audio/")) return {media_.Sound(data)};
    CannotDo(type, "expected image, audio or video, found '" + Shown(mime) + "'");
  }

  std::vector<Part> Raw(const Field& data, const RawSound& raw) {
    if (!service_.engine.facts().hears) CannotDo(data, "this model does not hear");
    const std::optional<std::string> bytes = DecodeBase64(data.Text());
    if (!bytes) Expected(data, "strict base64");
    std::vector<float> samples;
    const auto decoder = SoundDecoder::New(raw);
    decoder->Push({reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()}, samples);
    decoder->Finish(samples);
    std::vector<Part> parts;
    for (const auto& clip : CutClips(samples, service_.engine.facts().max_clip_seconds)) {
      parts.emplace_back("").content = clip;
    }
    return parts;
  }

  void AddCall(const Field& call, std::vector<Turn>& turns) {
    const std::string& name = call["name"].Text();
    CheckToolName(name, call["name"].path());
    const Field args = call["args"];
    if (args.present() && !args.json().is_object()) Expected(args, "an object");
    if (call["id"].present()) names_[call["id"].Text()] = name;
    const std::vector<ToolCall> calls = {{"", name, args.present() ? args.json().dump() : "{}"}};
    AddTurn({Role::kModel, {Part(CallsText(calls))}}, turns);
  }

  const Service& service_;
  std::map<std::string, std::string>& names_;
  Call call_;
  MediaParts media_;
};

}  // namespace

Field Member(const Field& object, const char* camel) {
  const Field found = object[camel];
  if (found.present()) return found;
  const std::string snake = SnakeOf(camel);
  return object[snake.c_str()];
}

std::string Base64Of(const Field& data) {
  std::string text = data.Text();
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 > 1) text += '=';
  return text;
}

LiveSetup ReadLiveSetup(const Field& field, const Service& service) {
  if (!field.json().is_object()) Expected(field, "an object");
  LiveSetup setup;
  constexpr std::string_view kPrefix = "models/";
  setup.model = field["model"].Text();
  if (setup.model.starts_with(kPrefix)) setup.model.erase(0, kPrefix.size());
  service.CheckModel(setup.model);
  ReadConfig(Member(field, "generationConfig"), service, setup);
  setup.system = ReadSystem(Member(field, "systemInstruction"));
  ReadTools(field["tools"], Member(field, "toolConfig"), setup);
  ReadInput(Member(field, "realtimeInputConfig"), setup);
  ReadTranscription(Member(field, "inputAudioTranscription"), setup);
  const Field resumption = Member(field, "sessionResumption");
  setup.resumes = resumption.present();
  if (resumption["handle"].present()) setup.handle = resumption["handle"].Text();
  const Field window = Member(field, "contextWindowCompression");
  setup.most_tokens =
      IntegerOf(Member(window, "triggerTokens"), 1, INT32_MAX).value_or(service.context);
  setup.most_tokens = std::min(setup.most_tokens, service.context);
  return setup;
}

void ReadLiveTurn(const Field& content, const Service& service, const std::string& owner,
                  std::map<std::string, std::string>& names, std::vector<Turn>& turns) {
  const Field role = content["role"];
  const bool model = role.Word({"user", "model", "function"}).value_or("user") == "model";
  PartReader reader(service, owner, names);
  for (const Field& part : content["parts"].Items(kMostParts)) {
    reader.Read(part, model ? Role::kModel : Role::kUser, turns);
  }
  if (turns.size() > kMostTurns) {
    Expected(content, "at most " + std::to_string(kMostTurns) + " turns in a session");
  }
}

Part ReadFunctionResponse(const Field& response, const std::string& name) {
  CheckToolName(name, response["name"].path());
  const Field value = response["response"];
  const std::string text = value.present() ? value.json().dump() : "{}";
  if (text.size() > kMostTextBytes) {
    Expected(value, "at most " + std::to_string(kMostTextBytes) + " bytes");
  }
  return Part(ResultText(name, text));
}

RawSound ReadSoundType(const Field& mime_type) {
  const std::string& mime = mime_type.Text();
  RawSound raw;
  const std::string kind = mime.substr(0, mime.find(';'));
  if (kind != "audio/pcm")
    CannotDo(mime_type, "expected audio/pcm;rate=N, found '" + Shown(mime) + "'");
  const size_t rate = mime.find("rate=");
  if (rate == std::string::npos) return raw;
  const char* const end = mime.data() + mime.size();
  const auto [next, error] = std::from_chars(mime.data() + rate + 5, end, raw.rate_hz);
  if (error != std::errc() || (next != end && *next != ';') || raw.rate_hz < 8000 ||
      raw.rate_hz > 48000) {
    Expected(mime_type, "a rate from 8000 to 48000, found '" + Shown(mime) + "'");
  }
  return raw;
}

}  // namespace gemma3n::server
