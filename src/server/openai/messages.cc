// SPDX-License-Identifier: Apache-2.0
#include "server/openai/messages.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

// Text alone, as a string or as parts of these types.
std::string TextOf(const Field& content, std::initializer_list<std::string_view> types) {
  if (content.is_text()) return content.Text();
  std::string text;
  for (const Field& part : content.Items(kMostParts)) {
    const std::string& type = part["type"].Text();
    if (std::find(types.begin(), types.end(), type) == types.end()) {
      CannotDo(part["type"],
               "only text is taken in messages of this role, found '" + Shown(type) + "'");
    }
    text += part[type == "refusal" ? "refusal" : "text"].Text();
  }
  return text;
}

// A call's arguments: the JSON of an object, as it was written.
std::string ArgumentsOf(const Field& field) {
  const std::string& text = field.Text();
  if (text.empty()) return "{}";
  if (IsJsonObject(text)) return text;
  Expected(field, "the JSON of an object, found '" + Shown(text) + "'");
}

std::string NameIn(const Field& field) {
  CheckToolName(field.Text(), field.path());
  return field.Text();
}

}  // namespace

DialogueReader::DialogueReader(const Service& service, const std::string& owner, Call& call,
                               Dialogue dialogue)
    : service_(service), call_(call), media_(service, owner, call), dialogue_(std::move(dialogue)) {
  call.pictures += dialogue_.pictures;
  call.clips += dialogue_.clips;
}

void DialogueReader::AddMessage(const Field& message) {
  const Field role = message["role"], content = message["content"];
  const auto word = role.Word({"system", "developer", "user", "assistant", "tool", "function"});
  if (!word) role.Text();  // complains
  if (message["name"].present()) message["name"].Text();
  if (*word == "system" || *word == "developer") {
    AddSystem(TextOf(content, {"text"}));
  } else if (*word == "user") {
    AddUser(content);
  } else if (*word == "assistant") {
    AddAssistant(message);
  } else if (*word == "tool") {
    AddResult(NameOf(message["tool_call_id"]), content);
  } else {
    const Field name = message["name"];
    const bool known = std::any_of(dialogue_.names.begin(), dialogue_.names.end(),
                                   [&](const auto& call) { return call.second == name.Text(); });
    if (!known) Expected(name, "the name of an earlier call, found '" + Shown(name.Text()) + "'");
    AddResult(name.Text(), content);
  }
}

void DialogueReader::AddItem(const Field& item) {
  const Field type = item["type"];
  const std::string kind = type.present() ? type.Text() : "message";
  if (kind == "message") {
    const Field role = item["role"], content = item["content"];
    const auto word = role.Word({"system", "developer", "user", "assistant"});
    if (!word) role.Text();  // complains
    if (*word == "user") return AddUser(content);
    if (*word != "assistant") return AddSystem(TextOf(content, {"input_text", "text"}));
    AddTurn({Role::kModel, {Part(TextOf(content, {"output_text", "text", "refusal"}))}},
            dialogue_.turns);
    dialogue_.called = false;
  } else if (kind == "function_call") {
    AddCalls({{.id = item["call_id"].Text(),
               .name = NameIn(item["name"]),
               .arguments = ArgumentsOf(item["arguments"])}});
  } else if (kind == "function_call_output") {
    AddResult(NameOf(item["call_id"]), item["output"]);
  } else if (kind != "reasoning") {
    CannotDo(type,
             "expected message, function_call, function_call_output, item_reference or reasoning, "
             "found '" +
                 Shown(kind) + "'");
  }
}

void DialogueReader::AddSystem(const std::string& text) {
  dialogue_.system += (dialogue_.system.empty() ? "" : "\n\n") + text;
}

void DialogueReader::AddUser(const Field& content) {
  dialogue_.called = false;
  if (content.is_text()) return AddTurn({Role::kUser, {Part(content.Text())}}, dialogue_.turns);
  Turn turn;
  for (const Field& part : content.Items(kMostParts)) {
    media_.CountPart(part);
    turn.parts.push_back(UserPart(part));
  }
  if (turn.parts.empty()) Expected(content, "a part at least");
  AddTurn(std::move(turn), dialogue_.turns);
}

void DialogueReader::AddAssistant(const Field& message) {
  const Field content = message["content"], calls = message["tool_calls"];
  const Field old_call = message["function_call"], refusal = message["refusal"];
  std::string text = content.present() ? TextOf(content, {"text", "refusal"}) : "";
  if (refusal.present()) text += refusal.Text();
  if (!content.present() && !calls.present() && !old_call.present() && !refusal.present()) {
    content.Text();  // complains
  }
  dialogue_.called = false;
  const bool says_nothing = text.empty() && (calls.present() || old_call.present());
  if (!says_nothing) AddTurn({Role::kModel, {Part(text)}}, dialogue_.turns);
  std::vector<ToolCall> made;
  if (calls.present()) {
    for (const Field& call : calls.Items(kMostTools)) {
      const Field function = call["function"];
      if (call["type"].present()) call["type"].Word({"function"});
      made.push_back({.id = call["id"].Text(),
                      .name = NameIn(function["name"]),
                      .arguments = ArgumentsOf(function["arguments"])});
    }
  }
  if (old_call.present()) {
    // The old shape has no ids; dialogue_.names wants one of its own.
    made.push_back({.id = "function " + std::to_string(dialogue_.names.size()),
                    .name = NameIn(old_call["name"]),
                    .arguments = ArgumentsOf(old_call["arguments"])});
  }
  if (!made.empty()) AddCalls(std::move(made));
}

void DialogueReader::AddCalls(std::vector<ToolCall> calls) {
  for (const ToolCall& call : calls) dialogue_.names[call.id] = call.name;
  std::string text = CallsText(calls);
  if (dialogue_.called) {  // items give the calls of one answer one by one
    auto& before = std::get<std::string>(dialogue_.turns.back().parts.back().content);
    before.pop_back();
    before += ", " + text.substr(1);
  } else {
    AddTurn({Role::kModel, {Part(std::move(text))}}, dialogue_.turns);
  }
  dialogue_.called = true;
}

void DialogueReader::AddResult(const std::string& name, const Field& content) {
  dialogue_.called = false;
  AddTurn({Role::kUser, {Part(ResultText(name, TextOf(content, {"text", "input_text"})))}},
          dialogue_.turns);
}

std::string DialogueReader::NameOf(const Field& id) const {
  const auto call = dialogue_.names.find(id.Text());
  if (call == dialogue_.names.end()) {
    Expected(id, "the id of an earlier call, found '" + Shown(id.Text()) + "'");
  }
  return call->second;
}

Dialogue DialogueReader::Take(const Field& messages) {
  if (dialogue_.turns.empty()) Expected(messages, "a message of the user at least");
  if (dialogue_.turns.front().role != Role::kUser) {
    Expected(messages, "the user to speak first, found the assistant");
  }
  dialogue_.pictures = call_.pictures;
  dialogue_.clips = call_.clips;
  return std::move(dialogue_);
}

Part DialogueReader::UserPart(const Field& part) {
  const Field type = part["type"];
  const std::string& kind = type.Text();
  if (kind == "text" || kind == "input_text") return Part(part["text"].Text());
  if (kind == "image_url") {
    const Field image = part["image_url"];
    return image.is_text() ? Picture(image, part["detail"])
                           : Picture(image["url"], image["detail"]);
  }
  if (kind == "input_image") {
    const Field id = part["file_id"];
    if (id.present()) return media_.File(id, id.Text());
    return Picture(part["image_url"], part["detail"]);
  }
  if (kind == "input_audio") return Sound(part["input_audio"]);
  if (kind == "audio_url") {
    const Field audio = part["audio_url"];
    return media_.Sound(audio.is_text() ? audio : audio["url"]);
  }
  if (kind == "video_url") return Film(part["video_url"]);
  if (kind == "file") return File(part["file"]);
  if (kind == "input_file") return File(part);
  CannotDo(type, "expected text, image_url, input_audio, audio_url, video_url or file, found '" +
                     Shown(kind) + "'");
}

Part DialogueReader::Picture(const Field& url, const Field& detail) {
  constexpr int64_t kLow = 256, kMedium = 512, kHigh = 768;  // pixels, Gemma 3n's three sizes
  const auto word = detail.Word({"auto", "low", "high"});
  const int64_t usual = service_.engine.facts().default_image_size;
  if (word && (usual == kLow || usual == kMedium || usual == kHigh)) {
    dialogue_.image_size = std::max(dialogue_.image_size, *word == "low"    ? kLow
                                                          : *word == "auto" ? kMedium
                                                                            : kHigh);
  }
  return media_.Picture(url);
}

Part DialogueReader::Sound(const Field& field) {
  if (field["format"].present()) field["format"].Text();  // the bytes say what it is
  return media_.Sound(field["data"]);
}

Part DialogueReader::Film(const Field& field) {
  const Field url = field.is_text() ? field : field["url"];
  VideoOptions video;
  if (!field.is_text()) {
    video.fps = field["fps"].Number(0.01, 24).value_or(video.fps);
    video.from_s = field["start"].Number(0, 1e6).value_or(video.from_s);
    video.to_s = field["end"].Number(0, 1e6).value_or(video.to_s);
  }
  return media_.Film(url, video);
}

Part DialogueReader::File(const Field& field) {
  const Field url = field["file_url"], id = field["file_id"];
  if (url.present()) CannotDo(url, "this server fetches nothing; send the bytes in file_data");
  if (field["filename"].present()) field["filename"].Text();
  return id.present() ? media_.File(id, id.Text()) : media_.Any(field["file_data"]);
}

void LayOutDialogue(const Dialogue& dialogue, const std::string& system, Ask& ask) {
  if (!system.empty()) ask.turns.push_back({Role::kSystem, {Part(system)}});
  ask.turns.insert(ask.turns.end(), dialogue.turns.begin(), dialogue.turns.end());
  ask.options.image_size = dialogue.image_size;
}

}  // namespace gemma3n::server
