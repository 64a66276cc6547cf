// SPDX-License-Identifier: Apache-2.0
#include "server/openai/response_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gemma3n/fit_context.h"
#include "server/openai/answer.h"
#include "server/openai/fields.h"
#include "server/openai/functions.h"
#include "server/refusal.h"

namespace gemma3n::server {
namespace {

using Type = LeftAlone::Type;
const std::vector<LeftAlone> kLeftAlone = {{"max_tool_calls", Type::kInteger},
                                           {"service_tier", Type::kText},
                                           {"user", Type::kText},
                                           {"safety_identifier", Type::kText},
                                           {"prompt_cache_key", Type::kText},
                                           {"prompt_cache_retention", Type::kText},
                                           {"prompt_cache_options", Type::kObject},
                                           {"moderation", Type::kAny},
                                           {"cache_prompt", Type::kFlag},
                                           {"keep_alive", Type::kAny},
                                           {"context_management", Type::kAny}};
const std::vector<std::string_view> kOfResponses = {"input",
                                                    "instructions",
                                                    "max_output_tokens",
                                                    "top_logprobs",
                                                    "parallel_tool_calls",
                                                    "tool_choice",
                                                    "tools",
                                                    "metadata",
                                                    "text",
                                                    "store",
                                                    "previous_response_id",
                                                    "include",
                                                    "truncation",
                                                    "reasoning",
                                                    "background",
                                                    "conversation",
                                                    "prompt"};

void RefuseWhatCannotBeDone(const Field& body) {
  if (body["background"].Flag(false)) {
    CannotDo(body["background"], "an answer comes on the connection that asked for it");
  }
  if (body["conversation"].present()) {
    CannotDo(body["conversation"], "go on with previous_response_id instead");
  }
  if (body["prompt"].present()) CannotDo(body["prompt"], "this server keeps no prompts");
}

void ReadLogprobs(const Field& body, GenerateOptions& options) {
  const auto top = body["top_logprobs"].Integer(0, kMostTopLogprobs);
  bool wanted = top.value_or(0) > 0;
  const Field include = body["include"];
  for (const Field& one : include.present() ? include.Items(64) : std::vector<Field>()) {
    wanted |= one.Text() == "message.output_text.logprobs";
  }
  if (wanted) options.top_logprobs = static_cast<int>(top.value_or(0));
}

std::string KindOf(const Json& item) {
  const auto type = item.find("type");
  return type != item.end() && type->is_string() ? type->get<std::string>() : "message";
}

// An item as it is listed later: with an id and a type, a message's text as a part.
ResponseItem Listed(Json item) {
  const std::string kind = KindOf(item);
  item["type"] = kind;
  const auto id = item.find("id");
  if (id == item.end() || !id->is_string()) {
    item["id"] = NewId(kind == "message" ? "msg_" : kind == "function_call" ? "fc_" : "fco_");
  }
  const auto content = item.find("content");
  if (kind == "message" && content != item.end() && content->is_string()) {
    const bool ours = item.value("role", "") == "assistant";
    Json part = {{"type", ours ? "output_text" : "input_text"}, {"text", *content}};
    if (ours) part["annotations"] = Json::array();
    *content = Json::array({std::move(part)});
  }
  return {item["id"].get<std::string>(), JsonLine(item)};
}

// The items of an input: as they are, with those that are only referred to. A few bytes may refer
// to many: together they take no more than a body may.
void ReadInput(const Field& input, uint64_t most_bytes, DialogueReader& reader,
               ResponseStore& store, ResponseCall& call) {
  if (input.is_text()) {
    const Json message = {{"role", "user"}, {"content", input.Text()}};
    reader.AddItem(Field(message, input.path()));
    call.input.push_back(Listed(message));
    return;
  }
  uint64_t referred_bytes = 0;
  for (const Field& item : input.Items(kMostMessages)) {
    if (item["type"].present() && item["type"].Text() == "item_reference") {
      const Field id = item["id"];
      const std::optional<std::string> found = store.FindItem(call.owner, id.Text());
      if (!found) Expected(id, "the id of an item that is kept, found '" + Shown(id.Text()) + "'");
      referred_bytes += found->size();
      if (referred_bytes > most_bytes) {
        throw Refusal(Reason::kTooLarge,
                      input.path() + ": what is referred to is larger than " +
                          std::to_string(most_bytes) + " bytes",
                      input.path());
      }
      const Json kept = Json::parse(*found);
      reader.AddItem(Field(kept, item.path()));
      call.input.push_back({id.Text(), *found});
    } else {
      reader.AddItem(item);
      call.input.push_back(Listed(item.json()));
    }
  }
}

// As it was asked for, or as it is without.
Json Repeated(const Field& field, Json otherwise) {
  return field.present() ? field.json() : std::move(otherwise);
}

std::string SettingsOf(const Field& body, const ResponseCall& call) {
  const Field text = body["text"];
  Json settings = {{"instructions", Repeated(body["instructions"], nullptr)},
                   {"max_output_tokens", Repeated(body["max_output_tokens"], nullptr)},
                   {"model", call.model},
                   {"parallel_tool_calls", call.tools.parallel},
                   {"previous_response_id", Repeated(body["previous_response_id"], nullptr)},
                   {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
                   {"store", call.store},
                   {"temperature", Repeated(body["temperature"], nullptr)},
                   {"text", {{"format", Repeated(text["format"], Json{{"type", "text"}})}}},
                   {"tool_choice", Repeated(body["tool_choice"], "auto")},
                   {"tools", Repeated(body["tools"], Json::array())},
                   {"top_logprobs", Repeated(body["top_logprobs"], 0)},
                   {"top_p", Repeated(body["top_p"], nullptr)},
                   {"truncation", Repeated(body["truncation"], "disabled")},
                   {"user", Repeated(body["user"], nullptr)},
                   {"metadata", Repeated(body["metadata"], Json::object())}};
  return JsonLine(settings);
}

// Leaves out the oldest turns where the prompt is too long.
void Truncate(const Service& service, Ask& ask) {
  const auto tokens = [&](const LeftOut& left_out) {
    return static_cast<int64_t>(
        service.engine.PromptIds(WithoutOldest(ask.turns, left_out), ask.options).size());
  };
  try {
    const int64_t room = RoomForPrompt(service.context, ask.options.max_tokens);
    const LeftOut left_out =
        FitContext(ask.turns, room, std::max<int64_t>(1, service.context / 4), {}, tokens);
    ask.turns = WithoutOldest(ask.turns, left_out);
  } catch (const Error&) {
    throw AsRefusal(std::current_exception());
  }
}

Dialogue PreviousOf(const Field& id, const std::string& owner, ResponseStore& store) {
  if (!id.present()) return {};
  const auto previous = store.Find(owner, id.Text());
  if (previous == nullptr) {
    throw Refusal(Reason::kPreviousNotFound,
                  id.path() + ": the response '" + Shown(id.Text()) + "' is not kept here",
                  id.path());
  }
  return previous->dialogue;
}

}  // namespace

ResponseCall ReadResponseCall(const Field& body, const Service& service, const std::string& owner,
                              ResponseStore& store) {
  ResponseCall call;
  call.owner = owner;
  call.model = ReadModel(body, service);
  RefuseWhatCannotBeDone(body);
  CheckLeftAlone(body, kLeftAlone);
  call.stream = body["stream"].Flag(false);
  body["stream_options"]["include_obfuscation"].Flag(false);
  body["reasoning"]["effort"];  // an object
  call.store = body["store"].Flag(true);
  ReadMetadata(body["metadata"]);
  Ask ask;
  ReadSampling(body, service, ask.options);
  ask.options.max_tokens = std::min(
      service.context, body["max_output_tokens"].Integer(1, INT64_MAX).value_or(service.context));
  ReadLogprobs(body, ask.options);
  call.tools = ReadTools(body, Spelling::kFlat);
  const Field text = body["text"], format = text["format"];
  if (text["verbosity"].present()) text["verbosity"].Text();
  const AnswerForm form = ReadAnswerForm(format, Spelling::kFlat);
  ask.options.constraint = ConstraintOf(call.tools, form);
  const Field instructions = body["instructions"], input = body["input"];
  std::string system = instructions.present() ? instructions.Text() : "";
  const auto truncation = body["truncation"].Word({"auto", "disabled"});
  call.ignored = UnknownFields(body, kOfResponses, kLeftAlone);
  DialogueReader reader(service, owner, call,
                        PreviousOf(body["previous_response_id"], owner, store));
  ReadInput(input, service.options.limits.body_bytes, reader, store, call);
  call.dialogue = reader.Take(input);
  if (call.dialogue.continues() && (!form.schema.empty() || call.tools.calls())) {
    CannotDo(input, "an answer that is begun can be held to no form, and calls no function");
  }
  system += (system.empty() || call.dialogue.system.empty() ? "" : "\n\n") + call.dialogue.system;
  LayOutDialogue(call.dialogue, SystemText(system, call.tools, form), ask);
  if (truncation == "auto") Truncate(service, ask);
  call.settings = SettingsOf(body, call);
  if (call.stream && ask.options.top_logprobs >= 0) {
    call.logprobs = std::make_shared<LogprobQueue>();
    ask.options.on_logprob = [queue = call.logprobs](const TokenLogprob& token) {
      queue->Push(token);
    };
  }
  AddChoices(ask, service, call);
  return call;
}

}  // namespace gemma3n::server
