// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "gemma3n/fit_context.h"
#include "server/answer_json.h"
#include "server/conversation.h"
#include "server/ollama/messages.h"
#include "server/ollama/options.h"

namespace gemma3n::server {
namespace {

const std::vector<std::string_view> kOfBoth = {
    "model",    "stream", "format",   "options",      "keep_alive",        "think",
    "truncate", "shift",  "logprobs", "top_logprobs", "_debug_render_only"};
const std::vector<std::string_view> kOfChat = {"messages", "tools"};
const std::vector<std::string_view> kOfGenerate = {"prompt", "system",   "images", "raw",
                                                   "suffix", "template", "context"};

std::string TextOrNothing(const Field& field) {
  return field.present() ? field.Text() : "";
}

std::vector<std::string> UnknownFields(const Field& body,
                                       const std::vector<std::string_view>& more) {
  std::vector<std::string_view> known = kOfBoth;
  known.insert(known.end(), more.begin(), more.end());
  return body.Others(known);
}

// The options of the request over those of the name.
OllamaOptions ReadOptions(const Field& body, const OllamaName& name, const Service& service) {
  const Field own = body["options"];
  if (own.present() && !own.json().is_object()) Expected(own, "an object");
  Json merged = Json::parse(name.options);
  if (own.present()) merged.update(own.json());
  return ReadOllamaOptions(Field(merged, own.path()), service);
}

void RefuseThinking(const Field& think, const std::string& model) {
  if (!think.present()) return;
  const bool wanted = think.is_text() ? think.Word({"high", "medium", "low", "max"}).has_value()
                                      : think.Flag(false);
  if (wanted) CannotDo(think, "\"" + Shown(model) + "\" does not support thinking");
}

// What the answer may be: JSON, a schema's, or calls.
std::shared_ptr<const Constraint> ReadConstraint(const Field& format, ToolUse& tools) {
  if (!format.present() || format.json() == "") return ToolConstraint(tools);
  if (format.is_text()) {
    format.Word({"json"});
  } else if (!format.json().is_object()) {
    Expected(format, "\"json\" or a JSON schema");
  }
  return FormConstraint(format.is_text() ? R"({"type": "object"})" : JsonLine(format.json()),
                        format.path(), tools);
}

void ReadLogprobs(const Field& body, GenerateOptions& options) {
  const bool logprobs = body["logprobs"].Flag(false);
  const Field top = body["top_logprobs"];
  const auto others = top.Integer(0, kMostTopLogprobs);
  if (others.value_or(0) > 0 && !logprobs) Expected(top, "logprobs: true beside it");
  if (logprobs) options.top_logprobs = static_cast<int>(others.value_or(0));
}

bool TextsAlone(const std::vector<Part>& parts) {
  return std::all_of(parts.begin(), parts.end(), [](const Part& part) {
    return std::holds_alternative<std::string>(part.content);
  });
}

// Ids that an earlier answer gave as its context: the conversation up to there.
std::vector<int32_t> ReadContext(const Field& context, const Service& service) {
  std::vector<int32_t> ids;
  if (!context.present()) return ids;
  constexpr size_t kMostIds = 1 << 17;  // also of a server whose context is longer than this one's
  for (const Field& id : context.Items(kMostIds)) {
    const auto read = id.Integer(0, service.engine.facts().vocab_size - 1);
    if (!read) Expected(id, "an id of a token");
    ids.push_back(static_cast<int32_t>(*read));
  }
  return ids;
}

// Leaves out what is oldest behind <bos>, up to where the user speaks, so that `room` is left for
// what is said now: more than must be, since each answer gives a context that is longer again.
void CutOldest(std::span<const int32_t> said, int64_t room, const Service& service,
               std::vector<int32_t>& context) {
  const int64_t over = static_cast<int64_t>(context.size() + said.size()) - room;
  if (over <= 0) return;
  const auto begin = context.begin() + (!context.empty() && context[0] == said[0] ? 1 : 0);
  const int64_t least = std::min<int64_t>(over + room / 4, context.end() - begin);
  const std::vector<int32_t> user = service.engine.Tokenize(
      "<start_of_turn>user\n", /*parse_control_tokens=*/true, /*add_bos=*/false);
  context.erase(begin, std::search(begin + least, context.end(), user.begin(), user.end()));
}

// What was said before is ids, and so must be what goes on from there. `room`: for all of it; 0: as
// much as there is.
void GoOnFrom(std::vector<int32_t> context, int64_t room, const Service& service, Ask& ask) {
  const std::vector<int32_t> said = service.engine.PromptIds(ask.turns, ask.options);
  const std::vector<int32_t> end =
      service.engine.Tokenize("<end_of_turn>\n", /*parse_control_tokens=*/true, /*add_bos=*/false);
  context.insert(context.end(), end.begin(), end.end());
  if (room > 0) CutOldest(said, room, service, context);
  context.insert(context.end(), said.begin() + 1, said.end());  // without its <bos>
  ask.options.raw = true;
  ask.options.raw_ids = std::move(context);
  ask.turns.clear();
}

// `room`: see GoOnFrom.
void ReadPrompt(const Field& body, const OllamaName& name, int64_t room, const Service& service,
                MediaParts& media, Ask& ask) {
  for (const char* field : {"suffix", "template"}) {
    if (!TextOrNothing(body[field]).empty()) CannotDo(body[field], "not served");
  }
  std::vector<Part> parts = ReadOllamaMedia(body["images"], media);
  const std::string prompt = TextOrNothing(body["prompt"]);
  if (!prompt.empty() || parts.empty()) parts.emplace_back(prompt);
  ask.options.raw = body["raw"].Flag(false);
  const Field system = body["system"], context = body["context"];
  std::vector<int32_t> before = ReadContext(context, service);
  if (!before.empty() && (ask.options.raw || !TextsAlone(parts))) {
    CannotDo(context, "not together with raw, nor with pictures and sound");
  }
  // The name's own stands in the context already.
  const std::string usual = before.empty() ? name.system : "";
  const std::string text = system.present() ? system.Text() : usual;
  if (!text.empty() && !ask.options.raw) ask.turns.push_back({Role::kSystem, {Part(text)}});
  ask.turns.push_back({Role::kUser, std::move(parts)});
  if (!before.empty()) GoOnFrom(std::move(before), room, service, ask);
}

bool HasPrompt(OllamaKind kind, const Field& body) {
  if (kind == OllamaKind::kChat) {
    const Field messages = body["messages"];
    return messages.present() && !messages.Items(kMostMessages).empty();
  }
  const Field images = body["images"];
  const bool media = images.present() && !images.Items(kMostParts).empty();
  return media || !TextOrNothing(body["prompt"]).empty();
}

}  // namespace

OllamaCall ReadOllamaCall(OllamaKind kind, const Field& body, const Service& service,
                          const OllamaNames& names, const std::string& owner) {
  if (!body.json().is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const bool chat = kind == OllamaKind::kChat;
  OllamaCall call;
  call.model = body["model"].Text();
  const OllamaName name = names.Find(call.model);
  call.stream = body["stream"].Flag(true);
  call.render_only = body["_debug_render_only"].Flag(false);
  const Field keep_alive = body["keep_alive"];
  call.lets_go = keep_alive.present() && ReadSeconds(keep_alive) == 0;
  RefuseThinking(body["think"], call.model);
  Ask ask;
  OllamaOptions options = ReadOptions(body, name, service);
  ask.options = std::move(options.generate);
  ReadLogprobs(body, ask.options);
  if (chat) call.tools = ReadOllamaTools(body["tools"]);
  ask.options.constraint = ReadConstraint(body["format"], call.tools);
  const bool truncates = body["truncate"].Flag(true);
  body["shift"].Flag(true);  // an answer ends where the context does
  call.ignored = UnknownFields(body, chat ? kOfChat : kOfGenerate);
  call.ignored.insert(call.ignored.end(), options.ignored.begin(), options.ignored.end());
  call.has_prompt = HasPrompt(kind, body);
  if (!call.has_prompt) return call;
  // Last, since it decodes pictures and sound.
  MediaParts media(service, owner, call);
  if (chat) {
    ReadOllamaMessages(body["messages"], name.system, call.tools, media, ask);
  } else {
    const int64_t room = truncates ? RoomForPrompt(options.context, ask.options.max_tokens) : 0;
    ReadPrompt(body, name, room, service, media, ask);
  }
  if (truncates && !ask.turns.empty()) {
    LayOutFitting(ask, service, options.context);
  } else {
    service.worker.LayOut(ask);
  }
  const auto prompt = static_cast<int64_t>(ask.prompt.size());
  if (prompt > options.context) {
    throw Refusal(Reason::kContextLength,
                  "the prompt has " + std::to_string(prompt) +
                      " tokens, which is more than the context of " +
                      std::to_string(options.context),
                  "options.num_ctx");
  }
  // The first token of the answer needs no place of its own.
  ask.options.max_tokens =
      std::min(ask.options.max_tokens, std::max<int64_t>(1, options.context - prompt));
  AddChoices(ask, service, call);
  return call;
}

}  // namespace gemma3n::server
