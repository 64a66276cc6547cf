// SPDX-License-Identifier: Apache-2.0
#include "server/openai/audio_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/json.h"
#include "server/languages.h"

namespace gemma3n::server {
namespace {

// As many keywords as the 64 parts of a form have room for, beside the file and three other fields.
constexpr size_t kMostLanguages = 8, kMostKeywords = 60, kMostKeywordBytes = 64;
constexpr size_t kMostPromptBytes = 4 << 10;

[[noreturn]] void CannotDo(const std::string& name, const std::string& what) {
  throw Refusal(Reason::kUnsupportedValue, name + ": " + what, name);
}
[[noreturn]] void Expected(const std::string& name, const std::string& what) {
  throw Refusal(Reason::kInvalidValue, name + ": expected " + what, name);
}

std::string Listed(const std::vector<std::string>& words, const std::string& last) {
  std::string list;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) list += i + 1 == words.size() ? last : ", ";
    list += words[i];
  }
  return list;
}

AudioFormat ReadFormat(const MultipartForm& form) {
  const std::string name = "response_format";
  const auto word =
      form.Word(name, {"json", "text", "srt", "vtt", "verbose_json", "diarized_json"});
  if (!word || *word == "json") return AudioFormat::kJson;
  if (*word == "diarized_json") CannotDo(name, "speakers are not told apart");
  if (*word == "text") return AudioFormat::kText;
  if (*word == "srt") return AudioFormat::kSrt;
  return *word == "vtt" ? AudioFormat::kVtt : AudioFormat::kVerboseJson;
}

// English names.
std::vector<std::string> ReadLanguages(const MultipartForm& form) {
  std::vector<std::string> codes = form.List("languages");
  if (codes.size() > kMostLanguages) {
    Expected("languages", "at most " + std::to_string(kMostLanguages));
  }
  if (const auto one = form.Text("language")) codes.insert(codes.begin(), *one);
  std::vector<std::string> names;
  for (const std::string& code : codes) {
    const auto language = LanguageNamed(code);
    if (!language) {
      Expected(form.Text("language") == code ? "language" : "languages",
               "codes of ISO 639-1, such as es, found '" + Shown(code) + "'");
    }
    if (std::find(names.begin(), names.end(), *language) == names.end()) names.push_back(*language);
  }
  return names;
}

// What the question says beyond the task.
std::string ReadHints(const MultipartForm& form) {
  std::string hints;
  const std::vector<std::string> keywords = form.List("keywords");
  if (keywords.size() > kMostKeywords) {
    Expected("keywords", "at most " + std::to_string(kMostKeywords));
  }
  for (const std::string& keyword : keywords) {
    if (keyword.empty() || keyword.size() > kMostKeywordBytes) {
      Expected("keywords", "1 to " + std::to_string(kMostKeywordBytes) + " bytes each");
    }
  }
  if (!keywords.empty()) hints += " Words that may occur: " + Listed(keywords, ", ") + ".";
  if (const auto prompt = form.Text("prompt")) {
    if (prompt->size() > kMostPromptBytes) {
      Expected("prompt", "at most " + std::to_string(kMostPromptBytes) + " bytes");
    }
    hints += ContextHint(*prompt);
  }
  return hints;
}

void ReadVoiceActivity(const Field& chunking, TranscribeOptions& speech) {
  chunking["type"].Word({"server_vad"});
  if (const auto bar = chunking["threshold"].Number(0, 1)) speech.least_likeness = *bar;
  if (const auto ms = chunking["silence_duration_ms"].Number(60, 60000)) {
    speech.pause_seconds = *ms / 1000;
  }
  chunking["prefix_padding_ms"].Number(0, 60000);  // pieces begin before their first sound anyway
}

// "auto", JSON, or fields of their own: chunking_strategy[type].
void ReadChunking(const MultipartForm& form, TranscribeOptions& speech) {
  const std::string name = "chunking_strategy";
  Json chunking;
  if (const auto text = form.Text(name)) {
    if (*text == "auto") return;
    try {
      chunking = ParseJson(*text);
    } catch (const Refusal&) {  // which knows no field
    }
    if (!chunking.is_object()) Expected(name, "auto or an object, found '" + Shown(*text) + "'");
  } else {
    for (const char* const key : {"threshold", "silence_duration_ms", "prefix_padding_ms"}) {
      const auto number = form.Number(name + "[" + key + "]", -1e9, 1e9);
      if (number) chunking[key] = *number;
    }
    const auto type = form.Text(name + "[type]");
    if (type) chunking["type"] = *type;
    if (chunking.is_null()) return;
  }
  if (!chunking.contains("type")) Expected(name + ".type", "server_vad, found none");
  ReadVoiceActivity(Field(chunking, name), speech);
}

void ReadDetails(const MultipartForm& form, AudioCall& call) {
  for (const std::string& one : form.List("timestamp_granularities")) {
    if (one == "word") CannotDo("timestamp_granularities", "there are no times of words");
    if (one != "segment") {
      Expected("timestamp_granularities", "segment or word, found '" + Shown(one) + "'");
    }
    if (call.format != AudioFormat::kVerboseJson) {
      Expected("timestamp_granularities", "response_format verbose_json with it");
    }
  }
  for (const std::string& one : form.List("include")) {
    if (one != "logprobs") Expected("include", "logprobs, found '" + Shown(one) + "'");
    if (call.format != AudioFormat::kJson) Expected("include", "response_format json with it");
    call.logprobs = true;
  }
  for (const char* const name : {"known_speaker_names", "known_speaker_references"}) {
    if (!form.List(name).empty()) CannotDo(name, "speakers are not told apart");
  }
  call.stream = form.Flag("stream", false);
  if (call.stream && call.format != AudioFormat::kJson && call.format != AudioFormat::kText) {
    Expected("stream", "response_format json or text with it");
  }
}

}  // namespace

AudioCall ReadAudioCall(const MultipartForm& form, bool translates, const Service& service) {
  AudioCall call;
  service.CheckModel(form.Text("model").value_or(service.options.model_name));
  call.format = ReadFormat(form);
  TranscribeOptions& speech = call.work.speech;
  speech.task = translates ? SpeechTask::kTranslate : SpeechTask::kTranscribe;
  std::vector<std::string_view> known = {"file", "model", "prompt", "response_format",
                                         "temperature"};
  if (!translates) {
    for (const char* const name :
         {"language", "languages", "keywords", "timestamp_granularities", "include", "stream",
          "chunking_strategy", "known_speaker_names", "known_speaker_references"}) {
      known.push_back(name);
    }
    const std::vector<std::string> languages = ReadLanguages(form);
    if (languages.size() == 1) call.work.language = languages.front();
    speech.language = Listed(languages, " or ");
    ReadChunking(form, speech);
    ReadDetails(form, call);
  }
  if (const auto temperature = form.Number("temperature", 0, 1)) {
    speech.generate.sampling.temperature = *temperature;
  }
  const std::string hints = ReadHints(form);
  if (!hints.empty()) speech.prompt = SpeechPrompt(speech) + hints;
  call.work.tell_language = call.format == AudioFormat::kVerboseJson && !translates;
  call.ignored = form.Others(known);
  return call;
}

}  // namespace gemma3n::server
