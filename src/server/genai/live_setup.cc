// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live_setup.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/call.h"
#include "server/genai/config.h"
#include "server/genai/request.h"
#include "server/languages.h"

namespace gemma3n::server {
namespace {

// A sensitivity as the detection has it.
bool IsLow(const ProtoField& sensitivity, const char* high, const char* low) {
  return sensitivity
             .Word({"START_SENSITIVITY_UNSPECIFIED", "END_SENSITIVITY_UNSPECIFIED", high, low})
             .value_or(high) == low;
}

void ReadInput(const ProtoField& input, LiveSetup& setup) {
  const ProtoField automatic = input["automaticActivityDetection"];
  if (automatic["disabled"].Flag(false)) {
    setup.detection.reset();
  } else {
    Detection& detection = *setup.detection;
    if (IsLow(automatic["startOfSpeechSensitivity"], "START_SENSITIVITY_HIGH",
              "START_SENSITIVITY_LOW")) {
      detection.threshold = 0.7;
    }
    if (IsLow(automatic["endOfSpeechSensitivity"], "END_SENSITIVITY_HIGH", "END_SENSITIVITY_LOW")) {
      detection.silence_ms = 1000;
    }
    detection.prefix_ms =
        automatic["prefixPaddingMs"].Integer(0, 5000).value_or(detection.prefix_ms);
    detection.silence_ms =
        automatic["silenceDurationMs"].Integer(100, 10000).value_or(detection.silence_ms);
  }
  setup.interrupts = input["activityHandling"]
                         .Word({"ACTIVITY_HANDLING_UNSPECIFIED", "START_OF_ACTIVITY_INTERRUPTS",
                                "NO_INTERRUPTION"})
                         .value_or("") != "NO_INTERRUPTION";
  const std::string coverage =
      input["turnCoverage"]
          .Word({"TURN_COVERAGE_UNSPECIFIED", "TURN_INCLUDES_ONLY_ACTIVITY",
                 "TURN_INCLUDES_ALL_INPUT", "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO"})
          .value_or("");
  // Of sound only what is said counts, in any case.
  setup.only_activity = coverage != "TURN_INCLUDES_ALL_INPUT" &&
                        coverage != "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO";
}

void ReadTranscription(const ProtoField& config, LiveSetup& setup) {
  if (!config.present()) return;
  setup.transcribes.emplace();
  const ProtoField codes = config["languageCodes"];
  if (!codes.present()) return;
  const std::vector<ProtoField> all = codes.Items(64);
  for (const ProtoField& code : all) {
    if (!LanguageNamed(code.Text())) Expected(code, "a language such as \"en-US\"");
  }
  if (all.size() == 1) setup.transcribes->language = all[0].Text();
}

}  // namespace

LiveSetup ReadLiveSetup(const ProtoField& field, const Service& service) {
  if (!field.json().is_object()) Expected(field, "an object");
  ReadModelIn(field["model"].Text(), service);
  LiveSetup setup;
  const ProtoField config = field["generationConfig"], count = config["candidateCount"];
  if (count.Integer(1, 8).value_or(1) != 1) CannotDo(count, "a live session has one answer");
  setup.options = ReadGenerationConfig(config, service);
  setup.tools = ReadGenAiTools(field);
  setup.options.constraint = ReadResponseForm(config, setup.tools);
  ReadInput(field["realtimeInputConfig"], setup);
  ReadTranscription(field["inputAudioTranscription"], setup);
  const ProtoField resumption = field["sessionResumption"];
  setup.resumes = resumption.present();
  if (resumption["handle"].present()) setup.handle = resumption["handle"].Text();
  const ProtoField window = field["contextWindowCompression"];
  setup.most_tokens = std::min(
      service.context, window["triggerTokens"].Integer(1, INT32_MAX).value_or(service.context));
  return setup;
}

}  // namespace gemma3n::server
