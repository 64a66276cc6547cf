// SPDX-License-Identifier: Apache-2.0
#include "server/genai/content.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "server/answer_json.h"
#include "server/genai/files.h"

namespace gemma3n::server {
namespace {

// Exactly one of these is in a part; the rest says something about it.
constexpr const char* kKinds[] = {"text",         "inlineData",       "fileData",
                                  "functionCall", "functionResponse", "executableCode",
                                  "toolCall",     "toolResponse",     "codeExecutionResult"};

constexpr char kRawSound[] = "audio/pcm";

bool IsModels(const ProtoField& content) {
  return content["role"].Word({"USER", "MODEL", "FUNCTION", "TOOL"}) == "MODEL";
}

std::string KindOf(const ProtoField& part) {
  std::string kind;
  for (const char* one : kKinds) {
    if (!part[one].present()) continue;
    if (!kind.empty()) Expected(part, "one of " + kind + " and " + one + ", found both");
    kind = one;
  }
  if (kind.empty()) Expected(part, "text, inlineData, fileData, functionCall or functionResponse");
  return kind;
}

// "3.5s".
double Seconds(const ProtoField& duration, double otherwise) {
  if (!duration.present()) return otherwise;
  const std::string& text = duration.Text();
  double seconds = -1;
  const char* const end = text.data() + text.size() - (text.ends_with("s") ? 1 : 0);
  const auto [next, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  constexpr double kMost = 1e6;
  if (error != std::errc() || next != end || !text.ends_with("s") || !(seconds >= 0) ||
      seconds > kMost) {
    Expected(duration, "seconds such as \"3.5s\", found '" + Shown(text) + "'");
  }
  return seconds;
}

VideoOptions VideoOf(const ProtoField& metadata) {
  VideoOptions video;
  video.from_s = Seconds(metadata["startOffset"], video.from_s);
  video.to_s = Seconds(metadata["endOffset"], video.to_s);
  const ProtoField fps = metadata["fps"];
  video.fps = fps.Number(0, 24).value_or(video.fps);
  if (video.fps == 0) Expected(fps, "more than 0");
  return video;
}

std::vector<Part> ReadInline(const ProtoField& blob, const VideoOptions& video, MediaParts& media) {
  const ProtoField type = blob["mimeType"], data = blob["data"];
  const Json standard = StandardBase64(data.Text());
  const Field bytes(standard, data.path());
  // Of all others the bytes decide.
  const bool raw = type.present() && type.Text().starts_with(kRawSound);
  if (raw) return media.RawClips(bytes, ReadSoundType(type));
  return {media.Any(bytes, video)};
}

std::vector<Part> ReadMedium(const ProtoField& part, MediaParts& media) {
  const VideoOptions video = VideoOf(part["videoMetadata"]);
  part["mediaProcessing"].Word({"MEDIA_PROCESSING_UNSPECIFIED", "STATIC"});
  const ProtoField file = part["fileData"];
  if (!file.present()) return ReadInline(part["inlineData"], video, media);
  if (file["mimeType"].present()) file["mimeType"].Text();  // the bytes decide
  return {media.File(file["fileUri"], FileIdOf(file["fileUri"]), video)};
}

}  // namespace

RawSound ReadSoundType(const ProtoField& mime_type) {
  const std::string& mime = mime_type.Text();
  RawSound raw;
  if (mime.substr(0, mime.find(';')) != kRawSound) {
    CannotDo(mime_type, "expected audio/pcm;rate=N, found '" + Shown(mime) + "'");
  }
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

// What is said, part by part: calls that follow each other are one list.
class ContentReader::Parts {
 public:
  // Pieces of a text may come one by one, as a stream gave them.
  void Text(const std::string& text) {
    if (!text.empty() || calls_.empty()) Append(text, "");
  }
  void Result(const std::string& text) { Append(text, "\n\n"); }
  void Media(std::vector<Part> media) {
    EndCalls();
    for (Part& one : media) parts_.push_back(std::move(one));
  }
  void Call(ToolCall call) { calls_.push_back(std::move(call)); }
  std::vector<Part> All() {
    EndCalls();
    return std::exchange(parts_, {});
  }

 private:
  void EndCalls() {
    if (calls_.empty()) return;
    const std::string text = CallsText(calls_);
    calls_.clear();
    Append(text, "\n\n");
  }

  void Append(const std::string& text, const char* between) {
    EndCalls();
    auto* const last = parts_.empty() ? nullptr : std::get_if<std::string>(&parts_.back().content);
    if (last == nullptr) {
      parts_.emplace_back(text);
    } else {
      *last += (last->empty() ? "" : between) + text;
    }
  }

  std::vector<Part> parts_;
  std::vector<ToolCall> calls_;
};

void ContentReader::AddSystem(const ProtoField& instruction, MediaParts& media) {
  if (!instruction.present()) return;
  std::string text;
  for (const ProtoField& part : instruction["parts"].Items(kMostParts)) {
    media.CountPart(part);
    if (KindOf(part) != "text") CannotDo(part, "only text is taken in the system instruction");
    text += part["text"].Text();
  }
  conversation.AddSystem(text);
}

void ContentReader::Add(const std::vector<ProtoField>& contents, MediaParts& media) {
  Parts parts;
  for (const ProtoField& content : contents) {
    const bool model = IsModels(content);
    if (!model) conversation.GoOn(Role::kModel, parts.All());
    AddParts(content, model, media, parts);
    if (!model) conversation.Add(Role::kUser, parts.All());
  }
  conversation.GoOn(Role::kModel, parts.All());
}

void ContentReader::AddParts(const ProtoField& content, bool model, MediaParts& media,
                             Parts& parts) {
  for (const ProtoField& part : content["parts"].Items(kMostParts)) {
    media.CountPart(part);
    const std::string kind = KindOf(part);
    const ProtoField value = part[kind.c_str()];
    if (part["thought"].Flag(false)) continue;  // of an earlier answer
    if (kind == "text") {
      parts.Text(value.Text());
    } else if (kind == "functionCall") {
      if (!model) Expected(value, "a call in contents of the model alone");
      parts.Call(Call(value));
    } else if (model) {
      CannotDo(value, "only text and calls are taken in contents of the model");
    } else if (kind == "functionResponse") {
      parts.Result(Result(value));
    } else if (kind == "inlineData" || kind == "fileData") {
      parts.Media(ReadMedium(part, media));
    } else {
      CannotDo(value, "code and tools of the service are not served");
    }
  }
}

void ContentReader::AddResult(const ProtoField& response, MediaParts& media) {
  media.CountPart(response);
  conversation.Add(Role::kUser, {Part(Result(response))});
}

ToolCall ContentReader::Call(const ProtoField& call) {
  const ProtoField id = call["id"], name = call["name"], args = call["args"];
  ToolCall read{.name = name.Text()};
  CheckToolName(read.name, name.path(), NameRule::kWide);
  if (args.present()) {
    if (!args.json().is_object()) Expected(args, "an object");
    read.arguments = JsonLine(args.json());
  }
  if (id.present()) names[id.Text()] = read.name;
  return read;
}

std::string ContentReader::Result(const ProtoField& response) const {
  const ProtoField id = response["id"], name = response["name"], value = response["response"];
  std::string called = name.present() ? name.Text() : "";
  if (id.present() && !id.Text().empty()) {
    const auto found = names.find(id.Text());
    if (found == names.end() || (name.present() && found->second != called)) {
      Expected(id, "the id of a call of '" + Shown(called) + "' before it");
    }
    called = found->second;
  }
  CheckToolName(called, name.path(), NameRule::kWide);
  const ProtoField parts = response["parts"];
  if (parts.present() && !parts.Items(kMostParts).empty()) {
    CannotDo(parts, "only `response` is taken of what a function gives");
  }
  if (!value.json().is_object()) Expected(value, "an object");
  return ResultText(called, JsonLine(value.json()));
}

}  // namespace gemma3n::server
