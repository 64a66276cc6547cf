// SPDX-License-Identifier: Apache-2.0
#include "server/openai/realtime_settings.h"

#include <utility>

#include "server/call.h"
#include "server/languages.h"
#include "server/openai/fields.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostInstructions = 1 << 20;  // bytes

// Whether the object has it, be it null.
bool Names(const Field& object, const char* name) {
  return object.json().is_object() && object.json().contains(name);
}

std::string ReadText(const Field& field, size_t most) {
  if (!field.present()) return "";
  const std::string& text = field.Text();
  if (text.size() > most) Expected(field, "at most " + std::to_string(most) + " bytes");
  return text;
}

struct FormatName {
  const char *ga, *beta;
  RawSound sound;
};
const FormatName kFormats[] = {{"audio/pcm", "pcm16", {24000, 1, RawSound::Format::kS16}},
                               {"audio/pcmu", "g711_ulaw", {8000, 1, RawSound::Format::kMuLaw}},
                               {"audio/pcma", "g711_alaw", {8000, 1, RawSound::Format::kALaw}}};

const FormatName& NameOf(const RawSound& sound) {
  for (const FormatName& one : kFormats) {
    if (one.sound.format == sound.format) return one;
  }
  return kFormats[0];
}

RawSound ReadFormat(const Field& field, RealtimeSpelling spelling) {
  const bool ga = spelling == RealtimeSpelling::kGa;
  const Field name = ga ? field["type"] : field;
  const std::string& word = name.Text();
  for (const FormatName& one : kFormats) {
    if (word != (ga ? one.ga : one.beta)) continue;
    RawSound sound = one.sound;
    if (!ga) return sound;
    const bool pcm = sound.format == RawSound::Format::kS16;
    const auto rate = field["rate"].Integer(8000, 48000);
    if (rate && !pcm && *rate != 8000) Expected(field["rate"], "8000, that of G.711");
    if (rate) sound.rate_hz = static_cast<int>(*rate);
    return sound;
  }
  Expected(name, ga ? "audio/pcm, audio/pcmu or audio/pcma, found '" + Shown(word) + "'"
                    : "pcm16, g711_ulaw or g711_alaw, found '" + Shown(word) + "'");
}

// How long a pause a semantic detection of this eagerness waits for: what is heard says nothing of
// sense here, so time does.
int64_t PauseOf(const std::string& eagerness) {
  if (eagerness == "low") return 1500;
  if (eagerness == "high") return 500;
  return 900;
}

std::optional<RealtimeDetection> ReadDetection(const Field& field) {
  if (!field.present()) return std::nullopt;
  const Field type = field["type"];
  if (!type.present()) type.Text();  // complains
  RealtimeDetection read;
  read.semantic = *type.Word({"server_vad", "semantic_vad"}) == "semantic_vad";
  read.create_response = field["create_response"].Flag(true);
  read.interrupt_response = field["interrupt_response"].Flag(true);
  if (read.semantic) {
    read.eagerness = field["eagerness"].Word({"low", "medium", "high", "auto"}).value_or("auto");
    read.detection.silence_ms = PauseOf(read.eagerness);
    return read;
  }
  Detection& detection = read.detection;
  detection.threshold = field["threshold"].Number(0, 1).value_or(detection.threshold);
  detection.prefix_ms = field["prefix_padding_ms"].Integer(0, 5000).value_or(detection.prefix_ms);
  detection.silence_ms =
      field["silence_duration_ms"].Integer(100, 10000).value_or(detection.silence_ms);
  read.idle_timeout_ms = field["idle_timeout_ms"].Integer(1000, 300000);
  return read;
}

std::optional<RealtimeTranscription> ReadTranscription(const Field& field) {
  if (!field.present()) return std::nullopt;
  RealtimeTranscription read;
  read.model = ReadText(field["model"], 256);
  read.wish.language = ReadText(field["language"], 64);
  if (!read.wish.language.empty() && !LanguageNamed(read.wish.language)) {
    Expected(field["language"], "a language such as \"en\"");
  }
  read.wish.prompt = ReadText(field["prompt"], 4096);
  return read;
}

// `input`: an object with the fields of a session's sound, as this spelling names them.
void ReadSound(const Field& input, RealtimeSettings& settings) {
  const bool ga = settings.spelling == RealtimeSpelling::kGa;
  const char* const format = ga ? "format" : "input_audio_format";
  const char* const transcription = ga ? "transcription" : "input_audio_transcription";
  if (input[format].present()) settings.sound = ReadFormat(input[format], settings.spelling);
  if (Names(input, "turn_detection")) {
    settings.detection = ReadDetection(input["turn_detection"]);
  }
  if (Names(input, transcription)) {
    settings.transcription = ReadTranscription(input[transcription]);
  }
  if (settings.only_transcribes && !settings.transcription) settings.transcription.emplace();
}

void ReadTruncation(const Field& field, RealtimeSettings& settings) {
  if (!field.present()) return;
  if (field.is_text()) {
    settings.truncates = *field.Word({"auto", "disabled"}) == "auto";
  } else {
    field["type"].Word({"retention_ratio"});
    field["retention_ratio"].Number(0, 1);
    settings.truncates = true;
  }
  settings.left_alone["truncation"] = field.json();
}

void KeepWhatIsLeftAlone(const Field& session, RealtimeSettings& settings) {
  for (const char* name : {"include", "tracing", "prompt", "voice", "speed", "reasoning",
                           "output_audio_format", "input_audio_noise_reduction"}) {
    if (Names(session, name)) settings.left_alone[name] = session.json()[name];
  }
}

Json DetectionJson(const std::optional<RealtimeDetection>& set) {
  if (!set) return nullptr;
  Json json = {{"type", set->semantic ? "semantic_vad" : "server_vad"}};
  if (set->semantic) {
    json["eagerness"] = set->eagerness;
  } else {
    json["threshold"] = set->detection.threshold;
    json["prefix_padding_ms"] = set->detection.prefix_ms;
    json["silence_duration_ms"] = set->detection.silence_ms;
    json["idle_timeout_ms"] = set->idle_timeout_ms ? Json(*set->idle_timeout_ms) : Json(nullptr);
  }
  json["create_response"] = set->create_response;
  json["interrupt_response"] = set->interrupt_response;
  return json;
}

Json TranscriptionJson(const std::optional<RealtimeTranscription>& set) {
  if (!set) return nullptr;
  const Transcripts::Wish& wish = set->wish;
  return {{"model", set->model.empty() ? Json(nullptr) : Json(set->model)},
          {"language", wish.language.empty() ? Json(nullptr) : Json(wish.language)},
          {"prompt", wish.prompt}};
}

Json GaJson(const RealtimeSettings& settings) {
  Json format = {{"type", NameOf(settings.sound).ga}};
  if (settings.sound.format == RawSound::Format::kS16) format["rate"] = settings.sound.rate_hz;
  return {{"input",
           {{"format", format},
            {"transcription", TranscriptionJson(settings.transcription)},
            {"noise_reduction", nullptr},
            {"turn_detection", DetectionJson(settings.detection)}}}};
}

}  // namespace

RealtimeSettings DefaultRealtimeSettings(RealtimeSpelling spelling, bool only_transcribes,
                                         const Service& service) {
  RealtimeSettings settings{.spelling = spelling, .only_transcribes = only_transcribes};
  settings.model = service.options.model_name;
  settings.left_alone = Json::object();
  settings.tools = {.use = {}, .tools = Json::array(), .choice = "auto"};
  if (only_transcribes) settings.transcription.emplace();
  return settings;
}

void UpdateRealtimeSettings(const Field& session, bool is_new, const Service& service,
                            RealtimeSettings& settings) {
  if (!session.json().is_object()) Expected(session, "an object");
  RealtimeSettings next = settings;
  if (const auto type = session["type"].Word({"realtime", "transcription"})) {
    const bool only_transcribes = *type == "transcription";
    if (is_new) next.only_transcribes = only_transcribes;
    if (only_transcribes != next.only_transcribes) {
      CannotDo(session["type"], "a session stays what it was opened as");
    }
  }
  if (session["model"].present()) {
    const std::string& model = session["model"].Text();
    service.CheckModel(model);
    if (!is_new && model != next.model) CannotDo(session["model"], "a session keeps its model");
    next.model = model;
  }
  if (Names(session, "instructions")) {
    next.instructions = ReadText(session["instructions"], kMostInstructions);
  }
  const bool ga = next.spelling == RealtimeSpelling::kGa;
  ReadOutputModalities(session[ga ? "output_modalities" : "modalities"], next.spelling);
  ReadSound(ga ? session["audio"]["input"] : session, next);
  ReadRealtimeTools(session, next.tools);
  const char* const most = ga ? "max_output_tokens" : "max_response_output_tokens";
  if (Names(session, most)) next.max_output_tokens = ReadMostTokens(session[most]);
  ReadRealtimeSampling(session, service, next.sampling);
  ReadTruncation(session["truncation"], next);
  KeepWhatIsLeftAlone(session, next);
  settings = std::move(next);
}

Json RealtimeSessionJson(const RealtimeSettings& settings, const std::string& id,
                         int64_t expires_at) {
  const bool ga = settings.spelling == RealtimeSpelling::kGa;
  Json json = {
      {"type", settings.only_transcribes ? "transcription" : "realtime"},
      {"object", settings.only_transcribes ? "realtime.transcription_session" : "realtime.session"},
      {"id", id},
      {"model", settings.model},
      {"expires_at", expires_at}};
  for (const auto& [name, value] : settings.left_alone.items()) json[name] = value;
  if (ga) {
    json["audio"] = GaJson(settings);
  } else {
    json["input_audio_format"] = NameOf(settings.sound).beta;
    json["input_audio_transcription"] = TranscriptionJson(settings.transcription);
    json["turn_detection"] = DetectionJson(settings.detection);
  }
  if (settings.only_transcribes) return json;
  json[ga ? "output_modalities" : "modalities"] = Json::array({"text"});
  json["instructions"] = settings.instructions;
  json["tools"] = settings.tools.tools;
  json["tool_choice"] = settings.tools.choice;
  json[ga ? "max_output_tokens" : "max_response_output_tokens"] =
      settings.max_output_tokens ? Json(*settings.max_output_tokens) : Json("inf");
  if (settings.sampling.temperature) json["temperature"] = *settings.sampling.temperature;
  if (ga && !json.contains("truncation")) json["truncation"] = "auto";
  return json;
}

void ReadOutputModalities(const Field& modalities, RealtimeSpelling spelling) {
  if (!modalities.present()) return;
  bool text = false, audio = false;
  for (const Field& one : modalities.Items(8)) {
    if (!one.present()) one.Text();  // complains
    (*one.Word({"text", "audio"}) == "text" ? text : audio) = true;
  }
  if (audio && spelling == RealtimeSpelling::kGa) text = false;
  if (!text) CannotDo(modalities, "this model answers in text; expected [\"text\"]");
}

std::optional<int64_t> ReadMostTokens(const Field& field) {
  if (field.is_text()) {
    field.Word({"inf"});
    return std::nullopt;
  }
  return field.Integer(1, INT32_MAX);
}

void ReadRealtimeSampling(const Field& holder, const Service& service, SamplingOptions& sampling) {
  if (Names(holder, "temperature")) sampling.temperature = holder["temperature"].Number(0, 2);
  if (Names(holder, "seed")) {
    const auto seed = holder["seed"].Integer(INT64_MIN, INT64_MAX);
    sampling.seed = seed ? std::optional(static_cast<uint64_t>(*seed)) : std::nullopt;
  }
  if (Names(holder, "logit_bias")) {
    sampling.logit_bias = ReadTokenBiases(holder["logit_bias"], service);
  }
}

namespace {

ToolUse ReadFunctions(const Field& list, ToolUse use) {
  use.tools.clear();
  for (const Field& one : list.present() ? list.Items(kMostTools) : std::vector<Field>()) {
    const std::string& type = one["type"].Text();
    if (type != "function") {
      CannotDo(one["type"], "only functions are served, found '" + Shown(type) + "'");
    }
    AddTool(ReadTool(one), use);
  }
  return use;
}

void ReadChoice(const Field& choice, ToolUse& use) {
  use.allowed.clear();
  if (choice.is_text()) {
    const std::string word = *choice.Word({"none", "auto", "required"});
    use.choice = word == "none"   ? ToolChoice::kNone
                 : word == "auto" ? ToolChoice::kAuto
                                  : ToolChoice::kRequired;
    return;
  }
  if (choice["type"].Text() != "function") {
    CannotDo(choice, "expected none, auto, required or a function");
  }
  Allow(choice["name"].Text(), choice["name"].path(), use);
  use.choice = ToolChoice::kRequired;
}

}  // namespace

void ReadRealtimeTools(const Field& holder, RealtimeTools& tools) {
  const Field list = holder["tools"], choice = holder["tool_choice"];
  if (Names(holder, "tools")) {
    tools.use = ReadFunctions(list, std::move(tools.use));
    tools.tools = list.present() ? list.json() : Json::array();
  }
  tools.use.parallel = holder["parallel_tool_calls"].Flag(tools.use.parallel);
  if (choice.present()) {
    ReadChoice(choice, tools.use);
    tools.choice = choice.json();
  }
  for (const std::string& name : tools.use.allowed) {
    if (!tools.use.Has(name)) {
      Expected(list, "the function '" + Shown(name) + "', which is to be called, among them");
    }
  }
  tools.constraint = ToolConstraint(tools.use);
}

}  // namespace gemma3n::server
