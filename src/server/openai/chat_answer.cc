// SPDX-License-Identifier: Apache-2.0
#include "server/openai/chat_answer.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "server/openai/answer.h"

namespace gemma3n::server {
namespace {

using Kind = ToolEvent::Kind;

// Why a choice ended, as chats say it.
std::string FinishReasonOf(const GenerateResult& result, const ToolCallReader& reader,
                           bool old_functions) {
  if (reader.calls() == 0 || !reader.complete() || result.finish_reason != FinishReason::kStop) {
    return FinishReasonName(result.finish_reason);
  }
  return old_functions ? "function_call" : "tool_calls";
}

}  // namespace

ChatWriter::ChatWriter(const ChatCall& call, const Service& service)
    : call_(call),
      service_(service),
      id_(NewId("chatcmpl-")),
      fingerprint_(Fingerprint(service)),
      created_(static_cast<int64_t>(std::time(nullptr))),
      readers_(call.asks.size()) {}

Json ChatWriter::Head(const char* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", call_.model},
          {"system_fingerprint", fingerprint_}};
}

Json ChatWriter::Message(const GenerateResult& result, std::string& finish_reason) const {
  ToolCallReader reader;
  std::vector<ToolEvent> events = {{.kind = Kind::kText, .text = result.text}};
  if (call_.tools.calls()) {
    events = reader.Push(result.text);
    for (ToolEvent& event : reader.Finish()) events.push_back(std::move(event));
  }
  finish_reason = FinishReasonOf(result, reader, call_.old_functions);
  std::string text;
  std::vector<ToolCall> calls;
  for (const ToolEvent& event : events) {
    if (event.kind == Kind::kText) text += event.text;
    if (event.kind == Kind::kCallBegun) calls.push_back({NewId("call_"), event.text, ""});
    if (event.kind == Kind::kArguments) calls.back().arguments += event.text;
  }
  Json message = {{"role", "assistant"},
                  {"content", calls.empty() || !text.empty() ? Json(text) : Json(nullptr)},
                  {"refusal", nullptr},
                  {"annotations", Json::array()}};
  for (const ToolCall& call : calls) {
    const Json function = {{"name", call.name}, {"arguments", call.arguments}};
    if (call_.old_functions) {
      message["function_call"] = function;
    } else {
      message["tool_calls"].push_back(
          {{"id", call.id}, {"type", "function"}, {"function", function}});
    }
  }
  return message;
}

std::string ChatWriter::Whole(const std::vector<GenerateResult>& results, double waited_ms) {
  Json choices = Json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    std::string finish_reason;
    Json message = Message(results[i], finish_reason);
    choices.push_back({{"index", i},
                       {"message", std::move(message)},
                       {"logprobs", call_.asks[i].options.top_logprobs < 0
                                        ? Json(nullptr)
                                        : ChatLogprobsJson(service_.engine, results[i].logprobs)},
                       {"finish_reason", finish_reason}});
  }
  Json answer = Head("chat.completion");
  answer["choices"] = std::move(choices);
  answer["usage"] = UsageJson(SpentOf(call_, service_, results));
  answer["timings"] = TimingsJson(results, waited_ms);
  if (!call_.metadata.empty()) answer["metadata"] = ParseJson(call_.metadata);
  return JsonLine(answer);
}

std::string ChatWriter::Chunk(size_t choice, Json delta, Json logprobs, Json finish_reason) const {
  Json chunk = Head("chat.completion.chunk");
  chunk["choices"] = Json::array({{{"index", choice},
                                   {"delta", std::move(delta)},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", std::move(finish_reason)}}});
  if (call_.include_usage) chunk["usage"] = nullptr;
  return EventFrame(JsonLine(chunk));
}

std::string ChatWriter::Begin() {
  std::string frames;
  for (size_t i = 0; i < call_.asks.size(); ++i) {
    Json role = {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}};
    // With calls there may be no content.
    if (call_.tools.choice == ToolChoice::kRequired && call_.tools.calls()) {
      role["content"] = nullptr;
    }
    frames += Chunk(i, std::move(role), nullptr, nullptr);
  }
  return frames;
}

std::vector<ToolEvent> ChatWriter::Read(size_t choice, const std::string& text) {
  if (!call_.tools.calls()) return {{.kind = Kind::kText, .text = text}};
  return readers_[choice].Push(text);
}

Json ChatWriter::DeltaOf(const ToolEvent& event) {
  if (event.kind == Kind::kText) return {{"content", event.text}};
  const bool begins = event.kind == Kind::kCallBegun;
  Json function = Json::object();
  if (begins) function["name"] = event.text;
  function["arguments"] = begins ? "" : event.text;
  if (call_.old_functions) return {{"function_call", std::move(function)}};
  Json call = {{"index", event.call}};
  if (begins) {
    call["id"] = NewId("call_");
    call["type"] = "function";
  }
  call["function"] = std::move(function);
  return {{"tool_calls", Json::array({std::move(call)})}};
}

Json ChatWriter::LogprobsOf(size_t choice, bool all) const {
  if (call_.logprobs.empty()) return nullptr;
  const auto tokens = call_.logprobs[choice]->Take(service_.engine, all);
  return tokens.empty() ? Json(nullptr) : ChatLogprobsJson(service_.engine, tokens);
}

std::string ChatWriter::Frames(size_t choice, const std::vector<ToolEvent>& events, size_t more) {
  if (!call_.logprobs.empty()) call_.logprobs[choice]->Grant(more);
  std::string frames;
  for (const ToolEvent& event : events) {
    // An end brings no text: its tokens come with what follows.
    if (event.kind == Kind::kCallEnded) continue;
    frames += Chunk(choice, DeltaOf(event), LogprobsOf(choice, /*all=*/false), nullptr);
  }
  return frames;
}

std::string ChatWriter::Text(size_t choice, const std::string& text) {
  return Frames(choice, Read(choice, text), text.size());
}

std::string ChatWriter::End(size_t choice, const GenerateResult& result) {
  std::string frames = Frames(choice, readers_[choice].Finish(), 0);
  const std::string reason = FinishReasonOf(result, readers_[choice], call_.old_functions);
  return frames + Chunk(choice, Json::object(), LogprobsOf(choice, /*all=*/true), reason);
}

std::string ChatWriter::Finish(const std::vector<GenerateResult>& results, double waited_ms) {
  std::string frames;
  if (call_.include_usage) {
    Json chunk = Head("chat.completion.chunk");
    chunk["choices"] = Json::array();
    chunk["usage"] = UsageJson(SpentOf(call_, service_, results));
    chunk["timings"] = TimingsJson(results, waited_ms);
    frames = EventFrame(JsonLine(chunk));
  }
  return frames + EventFrame("[DONE]");
}

std::string ChatWriter::Failure(const Refusal& refusal) {
  return EventFrame(ErrorText(refusal));
}

}  // namespace gemma3n::server
