// SPDX-License-Identifier: Apache-2.0
#include "server/openai/realtime_response.h"

#include <algorithm>

#include "server/call.h"
#include "server/openai/answer.h"

namespace gemma3n::server {
namespace {

Json OrNull(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

Json UsageOf(const Spent& spent) {
  return {{"total_tokens", spent.prompt + spent.answer},
          {"input_tokens", spent.prompt},
          {"output_tokens", spent.answer},
          {"input_token_details",
           {{"text_tokens", spent.text()},
            {"audio_tokens", spent.audio},
            {"image_tokens", spent.image},
            {"cached_tokens", spent.cached}}},
          {"output_token_details", {{"text_tokens", spent.answer}, {"audio_tokens", 0}}}};
}

}  // namespace

void EmitItemAdded(const RealtimeItems& items, const RealtimeItem& item, RealtimeSpelling spelling,
                   const EmitRealtime& emit) {
  const bool ga = spelling == RealtimeSpelling::kGa;
  emit(ga ? "conversation.item.added" : "conversation.item.created",
       {{"previous_item_id", OrNull(items.Before(item.id))}, {"item", ItemJson(item)}});
}

void EmitItemDone(const RealtimeItems& items, const RealtimeItem& item, RealtimeSpelling spelling,
                  const EmitRealtime& emit) {
  if (spelling == RealtimeSpelling::kBeta) return;
  emit("conversation.item.done",
       {{"previous_item_id", OrNull(items.Before(item.id))}, {"item", ItemJson(item)}});
}

RealtimeResponse::RealtimeResponse(RealtimeItems& items, const Service& service, EmitRealtime emit,
                                   RealtimeAnswerOptions options)
    : items_(items),
      service_(service),
      emit_(std::move(emit)),
      options_(std::move(options)),
      id_(NewId("resp_")),
      behind_(options_.behind.value_or("root")) {
  emit_("response.created", {{"response", Body("in_progress", nullptr, nullptr)}});
}

Json RealtimeResponse::Body(const char* status, Json details, Json usage) const {
  const bool ga = options_.spelling == RealtimeSpelling::kGa;
  Json output = Json::array();
  for (const RealtimeItem& item : output_) output.push_back(ItemJson(item));
  return {{"object", "realtime.response"},
          {"id", id_},
          {"status", status},
          {"status_details", std::move(details)},
          {"output", std::move(output)},
          {ga ? "output_modalities" : "modalities", Json::array({"text"})},
          {"max_output_tokens",
           options_.max_output_tokens ? Json(*options_.max_output_tokens) : Json("inf")},
          {"metadata", options_.metadata},
          {"usage", std::move(usage)}};
}

Json RealtimeResponse::Place(const RealtimeItem& item) const {
  return {{"response_id", id_}, {"item_id", item.id}, {"output_index", output_.size() - 1}};
}

void RealtimeResponse::Emit(const char* type, const RealtimeItem& item, Json fields) {
  Json all = Place(item);
  all.update(fields);
  emit_(type, std::move(all));
}

RealtimeItem& RealtimeResponse::Begin(RealtimeItem item) {
  if (open_) EndItem("completed");
  item.status = "in_progress";
  output_.push_back(std::move(item));
  open_ = true;
  RealtimeItem& begun = output_.back();
  emit_("response.output_item.added",
        {{"response_id", id_}, {"output_index", output_.size() - 1}, {"item", ItemJson(begun)}});
  if (options_.in_conversation && !items_.is_full()) Insert(begun);
  return begun;
}

void RealtimeResponse::Insert(const RealtimeItem& item) {
  const bool is_there = behind_ == "root" || items_.Find(behind_) != nullptr;
  items_.Insert(item, is_there ? std::optional(behind_) : std::nullopt);
  behind_ = item.id;
  EmitItemAdded(items_, item, options_.spelling, emit_);
}

void RealtimeResponse::AddText(const std::string& text) {
  const bool ga = options_.spelling == RealtimeSpelling::kGa;
  if (!open_) {
    RealtimeItem& begun =
        Begin({.id = NewId("item_"), .kind = RealtimeItem::Kind::kMessage, .role = "assistant"});
    Emit("response.content_part.added", begun,
         {{"content_index", 0}, {"part", {{"type", "text"}, {"text", ""}}}});
  }
  RealtimeItem& item = output_.back();
  item.text += text;
  Emit(ga ? "response.output_text.delta" : "response.text.delta", item,
       {{"content_index", 0}, {"delta", text}});
}

void RealtimeResponse::Add(const std::vector<ToolEvent>& events) {
  for (const ToolEvent& event : events) {
    switch (event.kind) {
      case ToolEvent::Kind::kText:
        if (!event.text.empty()) AddText(event.text);
        break;
      case ToolEvent::Kind::kCallBegun:
        Begin({.id = NewId("item_"),
               .kind = RealtimeItem::Kind::kCall,
               .call_id = NewId("call_"),
               .name = event.text});
        break;
      case ToolEvent::Kind::kArguments:
        output_.back().text += event.text;
        Emit("response.function_call_arguments.delta", output_.back(),
             {{"call_id", output_.back().call_id}, {"delta", event.text}});
        break;
      case ToolEvent::Kind::kCallEnded:
        EndItem("completed");
        break;
    }
  }
}

void RealtimeResponse::EndMessage(RealtimeItem& item) {
  const bool ga = options_.spelling == RealtimeSpelling::kGa;
  const Json part = {{"type", "text"}, {"text", item.text}};
  Emit(ga ? "response.output_text.done" : "response.text.done", item,
       {{"content_index", 0}, {"text", item.text}});
  Emit("response.content_part.done", item, {{"content_index", 0}, {"part", part}});
  item.content.push_back({{"type", ga ? "output_text" : "text"}, {"text", item.text}});
  item.parts.emplace_back(std::exchange(item.text, ""));
}

void RealtimeResponse::EndItem(const char* status) {
  RealtimeItem& item = output_.back();
  item.status = status;
  open_ = false;
  if (item.kind == RealtimeItem::Kind::kMessage) {
    EndMessage(item);
  } else {
    Emit("response.function_call_arguments.done", item,
         {{"call_id", item.call_id}, {"name", item.name}, {"arguments", item.text}});
  }
  emit_("response.output_item.done",
        {{"response_id", id_}, {"output_index", output_.size() - 1}, {"item", ItemJson(item)}});
  RealtimeItem* const kept = items_.Find(item.id);  // unless the client has deleted it meanwhile
  if (kept == nullptr) return;
  *kept = item;
  EmitItemDone(items_, item, options_.spelling, emit_);
}

void RealtimeResponse::Done(const char* status, Json details, Json usage) {
  if (open_) EndItem(status == std::string_view("completed") ? "completed" : "incomplete");
  emit_("response.done", {{"response", Body(status, std::move(details), std::move(usage))}});
}

void RealtimeResponse::Complete(const GenerateResult& result) {
  const Json usage = UsageOf(SpentOf(options_.media, result));
  if (result.finish_reason == FinishReason::kStop) return Done("completed", nullptr, usage);
  Done("incomplete", {{"type", "incomplete"}, {"reason", "max_output_tokens"}}, usage);
}

void RealtimeResponse::Fail(const Refusal& refusal) {
  const Json error = ErrorJson(refusal);
  Done("failed", {{"type", "failed"}, {"error", error}}, nullptr);
}

void RealtimeResponse::Cancel(const char* reason) {
  Done("cancelled", {{"type", "cancelled"}, {"reason", reason}}, nullptr);
}

}  // namespace gemma3n::server
