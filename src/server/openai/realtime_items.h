// SPDX-License-Identifier: Apache-2.0
// The conversation of a Realtime session: items in an order that the client may change.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <vector>

#include "server/chat.h"
#include "server/json.h"
#include "server/live/ear.h"
#include "server/openai/realtime_settings.h"

namespace gemma3n::server {

struct RealtimeItem {
  enum class Kind { kMessage, kCall, kCallOutput };
  std::string id;
  Kind kind = Kind::kMessage;
  std::string status = "completed";
  std::string role = "user";  // of a message
  Json content = Json::array();
  std::vector<Part> parts = {};  // what the model reads of it
  std::string call_id = "", name = "";
  std::string text = "";  // a call's arguments, what it returned
};

// What it takes of kMostLiveBytes.
size_t BytesOf(const RealtimeItem& item);

// The item as events tell it. Of sound and pictures it has what was said, not their bytes.
Json ItemJson(const RealtimeItem& item);

// What somebody has said, heard in `clips`.
RealtimeItem SpokenItem(std::string id, const Clips& clips);

class RealtimeItems {
 public:
  // Throws Refusal (kInvalidValue) for an id that is there already, a place behind an item that is
  // not, and past 4,096 items. `previous`: the item to stand behind; "root": in front; nothing: at
  // the end.
  void Insert(RealtimeItem item, const std::optional<std::string>& previous = std::nullopt);
  RealtimeItem* Find(const std::string& id);
  bool Remove(const std::string& id);
  // The id of the item before it; nothing for the first.
  std::optional<std::string> Before(const std::string& id) const;
  std::optional<std::string> Last() const;
  // Makes room: what is oldest is removed past what a session may take. Their ids.
  std::vector<std::string> DropOldest();

  const std::list<RealtimeItem>& all() const { return items_; }
  bool is_full() const;

 private:
  std::list<RealtimeItem> items_;
};

// Whose output it is: throws Refusal (kInvalidValue) where none of the items is that call.
void NameOutput(RealtimeItem& output, const std::list<RealtimeItem>& items);

// Items as turns of the model, those of the system as one text behind `system`; where the assistant
// speaks first, behind an empty turn of the user.
std::vector<Turn> TurnsOf(const std::list<RealtimeItem>& items, std::string system,
                          const ToolUse& tools);

// An item of a client. Throws Refusal.
RealtimeItem ReadItem(const Field& field, const RealtimeSettings& settings, const Service& service,
                      const std::string& owner);

}  // namespace gemma3n::server
