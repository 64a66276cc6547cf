// SPDX-License-Identifier: Apache-2.0
// One answer of a Realtime session as its events tell it: from response.created to response.done,
// which comes once, whatever ends it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/live/reply.h"
#include "server/openai/realtime_items.h"
#include "server/openai/realtime_settings.h"
#include "server/spent.h"

namespace gemma3n::server {

// Sends an event of this type with these fields.
using EmitRealtime = std::function<void(const char* type, Json fields)>;

// How an item comes into the conversation, in either spelling. Sent once it is in.
void EmitItemAdded(const RealtimeItems& items, const RealtimeItem& item, RealtimeSpelling spelling,
                   const EmitRealtime& emit);
void EmitItemDone(const RealtimeItems& items, const RealtimeItem& item, RealtimeSpelling spelling,
                  const EmitRealtime& emit);

struct RealtimeAnswerOptions {
  RealtimeSpelling spelling;
  bool in_conversation = true;
  // Where its items stand: behind what it answers. More may be said before the first of them is
  // there. Nothing: in front.
  std::optional<std::string> behind = std::nullopt;
  std::optional<int64_t> max_output_tokens;
  Json metadata = nullptr;
  Spent media = {};  // what those in the prompt take
};

class RealtimeResponse {
 public:
  // `items`: where what is answered goes, if it is in the conversation.
  RealtimeResponse(RealtimeItems& items, const Service& service, EmitRealtime emit,
                   RealtimeAnswerOptions options);

  const std::string& id() const { return id_; }
  void Add(const std::vector<ToolEvent>& events);
  // One of these, once, is the end. What is unfinished stays so.
  void Complete(const GenerateResult& result);
  void Fail(const Refusal& refusal);
  void Cancel(const char* reason);

 private:
  RealtimeItem& Begin(RealtimeItem item);
  void Insert(const RealtimeItem& item);
  void EndItem(const char* status);
  void EndMessage(RealtimeItem& item);
  void AddText(const std::string& text);
  void Done(const char* status, Json details, Json usage);
  Json Body(const char* status, Json details, Json usage) const;
  Json Place(const RealtimeItem& item) const;
  void Emit(const char* type, const RealtimeItem& item, Json fields);

  RealtimeItems& items_;
  const Service& service_;
  const EmitRealtime emit_;
  const RealtimeAnswerOptions options_;
  const std::string id_;
  std::string behind_;  // the item where the next one of its own goes; "root": none
  std::vector<RealtimeItem> output_;
  bool open_ = false;  // the last of them is under way
};

}  // namespace gemma3n::server
