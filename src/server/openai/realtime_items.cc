// SPDX-License-Identifier: Apache-2.0
#include "server/openai/realtime_items.h"

#include <algorithm>

#include "server/call.h"
#include "server/clips.h"
#include "server/live/session.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostItems = 4096, kMostIdBytes = 64, kMostTextBytes = 1 << 20;

std::string ReadText(const Field& field) {
  const std::string& text = field.Text();
  if (text.size() > kMostTextBytes) {
    Expected(field, "at most " + std::to_string(kMostTextBytes) + " bytes");
  }
  return text;
}

std::string ReadId(const Field& field, const char* prefix) {
  if (!field.present()) return NewId(prefix);
  const std::string& id = field.Text();
  if (id.empty() || id.size() > kMostIdBytes) Expected(field, "1 to 64 bytes");
  return id;
}

class ContentReader {
 public:
  ContentReader(const RealtimeSettings& settings, const Service& service, const std::string& owner)
      : settings_(settings), media_(service, owner, call_) {}

  void Read(const Field& content, RealtimeItem& item) {
    for (const Field& part : content.Items(kMostParts)) ReadPart(part, item);
    if (item.parts.empty()) Expected(content, "a part at least");
  }

 private:
  void ReadPart(const Field& part, RealtimeItem& item) {
    const std::string& type = part["type"].Text();
    const bool user = item.role == "user", assistant = item.role == "assistant";
    if (type == (assistant ? "output_text" : "input_text") || (assistant && type == "text")) {
      item.parts.emplace_back(ReadText(part["text"]));
      item.content.push_back({{"type", type}, {"text", part["text"].Text()}});
    } else if (assistant && (type == "output_audio" || type == "audio")) {
      item.parts.emplace_back(ReadText(part["transcript"]));
      item.content.push_back({{"type", type}, {"transcript", part["transcript"].Text()}});
    } else if (user && type == "input_audio") {
      for (Part& clip : media_.RawClips(part["audio"], settings_.sound)) {
        item.parts.push_back(std::move(clip));
      }
      const Field transcript = part["transcript"];
      item.content.push_back(
          {{"type", type}, {"transcript", transcript.present() ? transcript.json() : Json()}});
    } else if (user && type == "input_image") {
      item.parts.push_back(media_.Picture(part["image_url"]));
      item.content.push_back({{"type", type}});
    } else {
      CannotDo(part["type"], "a message of role " + item.role + " has no '" + Shown(type) + "'");
    }
  }

  const RealtimeSettings& settings_;
  Call call_;
  MediaParts media_;
};

// Calls that follow each other are one list in the answer.
void AddCalls(const std::vector<ToolCall>& calls, std::vector<Turn>& turns) {
  if (!calls.empty()) AddTurn({Role::kModel, {Part(CallsText(calls))}}, turns);
}

}  // namespace

Json ItemJson(const RealtimeItem& item) {
  Json json = {{"id", item.id}, {"object", "realtime.item"}};
  switch (item.kind) {
    case RealtimeItem::Kind::kMessage:
      json["type"] = "message";
      json["status"] = item.status;
      json["role"] = item.role;
      json["content"] = item.content;
      break;
    case RealtimeItem::Kind::kCall:
      json["type"] = "function_call";
      json["status"] = item.status;
      json["call_id"] = item.call_id;
      json["name"] = item.name;
      json["arguments"] = item.text;
      break;
    case RealtimeItem::Kind::kCallOutput:
      json["type"] = "function_call_output";
      json["status"] = item.status;
      json["call_id"] = item.call_id;
      json["output"] = item.text;
      break;
  }
  return json;
}

RealtimeItem SpokenItem(std::string id, const Clips& clips) {
  RealtimeItem item{.id = std::move(id)};
  item.content.push_back({{"type", "input_audio"}, {"transcript", nullptr}});
  item.parts = PartsOf(clips);
  return item;
}

void RealtimeItems::Insert(RealtimeItem item, const std::optional<std::string>& previous) {
  if (is_full()) {
    throw Refusal(Reason::kInvalidValue, "the conversation has " + std::to_string(kMostItems) +
                                             " items already; delete some");
  }
  if (Find(item.id) != nullptr) {
    throw Refusal(Reason::kInvalidValue,
                  "item.id: there is an item '" + Shown(item.id) + "' already", "item.id");
  }
  auto place = items_.end();
  if (previous) {
    place = items_.begin();
    if (*previous != "root") {
      place = std::find_if(items_.begin(), items_.end(),
                           [&](const RealtimeItem& one) { return one.id == *previous; });
      if (place == items_.end()) {
        throw Refusal(Reason::kInvalidValue,
                      "previous_item_id: there is no item '" + Shown(*previous) + "'",
                      "previous_item_id");
      }
      ++place;
    }
  }
  items_.insert(place, std::move(item));
}

bool RealtimeItems::is_full() const {
  return items_.size() >= kMostItems;
}

RealtimeItem* RealtimeItems::Find(const std::string& id) {
  for (RealtimeItem& item : items_) {
    if (item.id == id) return &item;
  }
  return nullptr;
}

bool RealtimeItems::Remove(const std::string& id) {
  return std::erase_if(items_, [&](const RealtimeItem& item) { return item.id == id; }) > 0;
}

std::optional<std::string> RealtimeItems::Before(const std::string& id) const {
  std::optional<std::string> before;
  for (const RealtimeItem& item : items_) {
    if (item.id == id) break;
    before = item.id;
  }
  return before;
}

std::optional<std::string> RealtimeItems::Last() const {
  return items_.empty() ? std::nullopt : std::optional(items_.back().id);
}

size_t BytesOf(const RealtimeItem& item) {
  size_t bytes = sizeof(item) + item.text.size();
  for (const Part& part : item.parts) bytes += MediaReader::BytesOf(part);
  return bytes;
}

std::vector<std::string> RealtimeItems::DropOldest() {
  size_t bytes = 0;
  for (const RealtimeItem& item : items_) bytes += BytesOf(item);
  std::vector<std::string> dropped;
  while (bytes > kMostLiveBytes && items_.size() > 1) {
    bytes -= BytesOf(items_.front());
    dropped.push_back(items_.front().id);
    items_.pop_front();
  }
  return dropped;
}

void NameOutput(RealtimeItem& output, const std::list<RealtimeItem>& items) {
  for (const RealtimeItem& item : items) {
    if (item.kind != RealtimeItem::Kind::kCall || item.call_id != output.call_id) continue;
    output.name = item.name;
    return;
  }
  throw Refusal(Reason::kInvalidValue,
                "item.call_id: there is no call '" + Shown(output.call_id) + "'", "item.call_id");
}

std::vector<Turn> TurnsOf(const std::list<RealtimeItem>& items, std::string system,
                          const ToolUse& tools) {
  std::vector<Turn> turns;
  std::vector<ToolCall> calls;  // that no other item has followed yet
  for (const RealtimeItem& item : items) {
    if (item.status == "in_progress") continue;
    if (item.kind == RealtimeItem::Kind::kCall) {
      if (item.status == "completed") calls.push_back({item.call_id, item.name, item.text});
      continue;
    }
    AddCalls(calls, turns);
    calls.clear();
    if (item.kind == RealtimeItem::Kind::kCallOutput) {
      AddTurn({Role::kUser, {Part(ResultText(item.name, item.text))}}, turns);
    } else if (item.role == "system") {
      for (const Part& part : item.parts) {
        system += (system.empty() ? "" : "\n\n") + std::get<std::string>(part.content);
      }
    } else {
      AddTurn({item.role == "user" ? Role::kUser : Role::kModel, item.parts}, turns);
    }
  }
  AddCalls(calls, turns);
  // The template has the user speak first, and a client may begin with a greeting of the assistant.
  if (!turns.empty() && turns[0].role == Role::kModel) {
    turns.insert(turns.begin(), {Role::kUser, {Part("")}});
  }
  system = WithTools(system, tools);
  if (!system.empty()) turns.insert(turns.begin(), {Role::kSystem, {Part(system)}});
  return turns;
}

RealtimeItem ReadItem(const Field& field, const RealtimeSettings& settings, const Service& service,
                      const std::string& owner) {
  if (!field.json().is_object()) Expected(field, "an object");
  RealtimeItem item{.id = ReadId(field["id"], "item_")};
  const std::string& type = field["type"].Text();
  if (type == "message") {
    if (!field["role"].present()) field["role"].Text();  // complains
    item.role = *field["role"].Word({"user", "assistant", "system"});
    ContentReader(settings, service, owner).Read(field["content"], item);
  } else if (type == "function_call") {
    item.kind = RealtimeItem::Kind::kCall;
    item.call_id = ReadId(field["call_id"], "call_");
    item.name = field["name"].Text();
    CheckToolName(item.name, field["name"].path());
    item.text = ReadText(field["arguments"]);
    if (!IsJsonObject(item.text)) Expected(field["arguments"], "the JSON of an object");
  } else if (type == "function_call_output") {
    item.kind = RealtimeItem::Kind::kCallOutput;
    item.call_id = field["call_id"].Text();
    item.text = ReadText(field["output"]);
  } else {
    CannotDo(field["type"], "expected message, function_call or function_call_output, found '" +
                                Shown(type) + "'");
  }
  return item;
}

}  // namespace gemma3n::server
