// SPDX-License-Identifier: Apache-2.0
#include "server/openai/response_answer.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "server/openai/answer.h"

namespace gemma3n::server {
namespace {

int64_t Now() {
  return static_cast<int64_t>(std::time(nullptr));
}

// How the response ended.
const char* StatusOf(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "completed";
    case FinishReason::kLength:
      return "incomplete";
    case FinishReason::kCancelled:
      break;
  }
  return "cancelled";
}

Json UsageOf(const Spent& spent) {
  return {{"input_tokens", spent.prompt},
          {"input_tokens_details", {{"cached_tokens", spent.cached}}},
          {"output_tokens", spent.answer},
          {"output_tokens_details", {{"reasoning_tokens", 0}}},
          {"total_tokens", spent.prompt + spent.answer}};
}

}  // namespace

ResponseWriter::ResponseWriter(const ResponseCall& call, const Service& service,
                               ResponseStore& store)
    : call_(call), service_(service), store_(store), id_(NewId("resp_")), created_(Now()) {}

Json ResponseWriter::Response(const std::string& status) const {
  Json response = {{"id", id_},
                   {"object", "response"},
                   {"created_at", created_},
                   {"status", status},
                   {"background", false},
                   {"error", nullptr},
                   {"incomplete_details", nullptr}};
  response.update(Json::parse(call_.settings));
  response["output"] = Json::array();
  response["usage"] = nullptr;
  return response;
}

std::string ResponseWriter::Begun() const {
  return JsonLine(Response("in_progress"));
}

Json ResponseWriter::PartJson(const Item& item) const {
  return {{"type", "output_text"},
          {"text", item.text},
          {"annotations", Json::array()},
          {"logprobs", TokenListJson(service_.engine, item.logprobs)}};
}

Json ResponseWriter::ItemJson(const Item& item) const {
  if (item.is_call) {
    return {{"type", "function_call"}, {"id", item.id},          {"call_id", item.call_id},
            {"name", item.name},       {"arguments", item.text}, {"status", item.status}};
  }
  Json content = Json::array();
  if (item.status != "in_progress") content.push_back(PartJson(item));
  return {{"type", "message"},
          {"id", item.id},
          {"status", item.status},
          {"role", "assistant"},
          {"content", std::move(content)}};
}

std::string ResponseWriter::Event(const char* type, Json fields) {
  Json event = {{"type", type}, {"sequence_number", sequence_++}};
  event.update(fields);
  return std::string("event: ") + type + "\n" + EventFrame(JsonLine(event));
}

std::string ResponseWriter::ItemEvent(const char* type, Json fields) {
  Json event = {{"item_id", items_.back().id}, {"output_index", items_.size() - 1}};
  if (!items_.back().is_call) event["content_index"] = 0;
  event.update(fields);
  return Event(type, std::move(event));
}

std::string ResponseWriter::Open(Item item) {
  items_.push_back(std::move(item));
  std::string frames = Event("response.output_item.added", {{"output_index", items_.size() - 1},
                                                            {"item", ItemJson(items_.back())}});
  if (!items_.back().is_call) {
    frames += ItemEvent("response.content_part.added", {{"part", PartJson(items_.back())}});
  }
  return frames;
}

std::string ResponseWriter::AddText(const std::string& text) {
  std::string frames;
  if (items_.empty()) frames = Open({.id = NewId("msg_")});
  Item& item = items_.back();
  item.text += text;
  std::vector<TokenLogprob> tokens;
  if (call_.logprobs != nullptr) tokens = call_.logprobs->Take(service_.engine, /*all=*/false);
  item.logprobs.insert(item.logprobs.end(), tokens.begin(), tokens.end());
  frames += ItemEvent("response.output_text.delta",
                      {{"delta", text}, {"logprobs", TokenListJson(service_.engine, tokens)}});
  return frames;
}

std::string ResponseWriter::AddArguments(const std::string& text) {
  items_.back().text += text;
  return ItemEvent("response.function_call_arguments.delta", {{"delta", text}});
}

std::string ResponseWriter::Close(const char* status) {
  Item& item = items_.back();
  if (item.status != "in_progress") return "";
  item.status = status;
  std::string frames;
  if (item.is_call) {
    frames = ItemEvent("response.function_call_arguments.done",
                       {{"name", item.name}, {"arguments", item.text}});
  } else {
    frames = ItemEvent(
        "response.output_text.done",
        {{"text", item.text}, {"logprobs", TokenListJson(service_.engine, item.logprobs)}});
    frames += ItemEvent("response.content_part.done", {{"part", PartJson(item)}});
  }
  frames += Event("response.output_item.done",
                  {{"output_index", items_.size() - 1}, {"item", ItemJson(item)}});
  return frames;
}

std::string ResponseWriter::Read(const std::vector<ToolEvent>& events) {
  std::string frames;
  for (const ToolEvent& event : events) {
    switch (event.kind) {
      case ToolEvent::Kind::kText:
        frames += AddText(event.text);
        break;
      case ToolEvent::Kind::kCallBegun:
        frames += Open(
            {.is_call = true, .id = NewId("fc_"), .call_id = NewId("call_"), .name = event.text});
        break;
      case ToolEvent::Kind::kArguments:
        frames += AddArguments(event.text);
        break;
      case ToolEvent::Kind::kCallEnded:
        frames += Close("completed");
        break;
    }
  }
  return frames;
}

std::vector<ToolEvent> ResponseWriter::Events(const std::string& text) {
  if (call_.tools.calls()) return reader_.Push(text);
  return {{.kind = ToolEvent::Kind::kText, .text = text}};
}

std::string ResponseWriter::Begin() {
  const Json response = Response("in_progress");
  // One after another: events are numbered as they are written.
  std::string frames = Event("response.created", {{"response", response}});
  frames += Event("response.in_progress", {{"response", response}});
  return frames;
}

std::string ResponseWriter::Text(size_t, const std::string& text) {
  if (call_.logprobs != nullptr) call_.logprobs->Grant(text.size());
  return Read(Events(text));
}

std::string ResponseWriter::End(size_t, const GenerateResult& result) {
  std::string frames = Read(reader_.Finish());
  if (items_.empty()) frames += Open({.id = NewId("msg_")});
  Item& last = items_.back();
  if (!last.is_call) last.logprobs = result.logprobs;  // all of them, also where some came late
  frames += Close(result.finish_reason == FinishReason::kStop ? "completed" : "incomplete");
  return frames;
}

Json ResponseWriter::Ended(const GenerateResult& result) {
  const std::string status = StatusOf(result.finish_reason);
  Json response = Response(status);
  if (status == "completed") response["completed_at"] = Now();
  if (status == "incomplete") response["incomplete_details"] = {{"reason", "max_output_tokens"}};
  // No event but response.incomplete tells of it, whose readers look here; OpenAI has no reason for
  // it.
  if (status == "cancelled") response["incomplete_details"] = Json::object();
  for (const Item& item : items_) response["output"].push_back(ItemJson(item));
  response["usage"] = UsageOf(SpentOf(call_, service_, {&result, 1}));
  if (call_.store) Keep(response);
  return response;
}

void ResponseWriter::Keep(const Json& response) {
  KeptResponse kept{.json = JsonLine(response), .input = call_.input};
  Call counted;  // what was seen and heard is in the dialogue
  DialogueReader reader(service_, call_.owner, counted, call_.dialogue);
  for (const Json& item : response["output"]) {
    kept.output.push_back({item["id"].get<std::string>(), JsonLine(item)});
    try {
      reader.AddItem(Field(item, "output"));
    } catch (const Refusal&) {  // a call that was cut short cannot be gone on from
    }
  }
  kept.dialogue = reader.Take(Field(response, "output"));
  store_.Keep(call_.owner, id_, std::move(kept));
}

std::string ResponseWriter::Whole(const GenerateResult& result) {
  Read(Events(result.text));
  End(0, result);
  return JsonLine(Ended(result));
}

std::string ResponseWriter::Finish(const std::vector<GenerateResult>& results, double) {
  const bool completed = results[0].finish_reason == FinishReason::kStop;
  return Event(completed ? "response.completed" : "response.incomplete",
               {{"response", Ended(results[0])}});
}

std::string ResponseWriter::Failure(const Refusal& refusal) {
  const Json error = ErrorJson(refusal);
  Json response = Response("failed");
  response["error"] = {{"code", "server_error"}, {"message", error["message"]}};
  std::string frames = Event(
      "error", {{"code", error["code"]}, {"message", error["message"]}, {"param", error["param"]}});
  frames += Event("response.failed", {{"response", std::move(response)}});
  return frames;
}

}  // namespace gemma3n::server
