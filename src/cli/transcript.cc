// SPDX-License-Identifier: Apache-2.0
#include "cli/transcript.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "gemma3n/subtitles.h"

namespace gemma3n::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string Dumped(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string Replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

// The transcript, and its translation on a line of its own.
std::string Lines(const Segment& segment) {
  return segment.translation.empty() ? segment.text : segment.text + "\n" + segment.translation;
}

double Rounded(double value) {
  return std::round(value * 1000) / 1000;
}

}  // namespace

TranscriptFormat FormatOf(const std::string& name, const std::string& path) {
  static const std::map<std::string, TranscriptFormat> kFormats = {
      {"text", TranscriptFormat::kText}, {"txt", TranscriptFormat::kText},
      {"srt", TranscriptFormat::kSrt},   {"vtt", TranscriptFormat::kVtt},
      {"json", TranscriptFormat::kJson}, {"jsonl", TranscriptFormat::kJsonLines}};
  std::string wanted = name;
  if (wanted.empty()) {
    wanted = std::filesystem::path(path).extension().string();
    if (!wanted.empty()) wanted.erase(0, 1);
  }
  const auto found = kFormats.find(wanted);
  return found == kFormats.end() ? TranscriptFormat::kText : found->second;
}

std::string ShortClock(double seconds) {
  const long long whole = static_cast<long long>(std::max(0.0, seconds));
  char text[40];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  }
  return text;
}

std::string TranscriptHead(TranscriptFormat format) {
  return format == TranscriptFormat::kVtt ? kVttHead : "";
}

std::string TranscriptEntry(TranscriptFormat format, size_t index, const Segment& segment,
                            bool with_times) {
  switch (format) {
    case TranscriptFormat::kText: {
      const std::string lines = Lines(segment) + "\n";
      if (!with_times) return lines;
      const std::string clock = SubtitleTime(segment.start_s, '.').substr(0, 8) + "  ";
      return clock + Replaced(Lines(segment), "\n", "\n" + std::string(clock.size(), ' ')) + "\n";
    }
    case TranscriptFormat::kSrt:
      return SrtCue(index, segment);
    case TranscriptFormat::kVtt:
      return VttCue(segment);
    case TranscriptFormat::kJsonLines:
      return Dumped(SegmentAsJson(segment)) + "\n";
    case TranscriptFormat::kJson:
      break;
  }
  return "";
}

Json SegmentAsJson(const Segment& segment) {
  Json json = {
      {"start", Rounded(segment.start_s)}, {"end", Rounded(segment.end_s)}, {"text", segment.text}};
  if (!segment.translation.empty()) json["translation"] = segment.translation;
  json["avg_logprob"] = segment.average_logprob;
  json["no_speech"] = Rounded(segment.no_speech);
  if (segment.goes_on) json["goes_on"] = true;
  return json;
}

Segment SegmentFromJson(const Json& json) {
  return {.start_s = json.at("start").get<double>(),
          .end_s = json.at("end").get<double>(),
          .text = json.at("text").get<std::string>(),
          .translation = json.value("translation", ""),
          .average_logprob = json.at("avg_logprob").get<double>(),
          .no_speech = json.at("no_speech").get<double>(),
          .goes_on = json.value("goes_on", false)};
}

std::string TranscriptAsJson(const TranscriptFacts& facts, const std::vector<Segment>& segments) {
  Json json = {{"file", facts.source}, {"duration", Rounded(facts.duration_s)}};
  if (!facts.language.empty()) json["language"] = facts.language;
  json["prompt"] = facts.prompt;
  std::string text;
  Json list = Json::array();
  for (const Segment& segment : segments) {
    text += (text.empty() ? "" : " ") + segment.text;
    list.push_back(SegmentAsJson(segment));
  }
  json["text"] = text;
  json["segments"] = list;
  return Dumped(json, 2) + "\n";
}

}  // namespace gemma3n::cli
