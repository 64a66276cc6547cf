// SPDX-License-Identifier: Apache-2.0
#include "server/openai/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/openai/fields.h"
#include "server/openai/functions.h"
#include "server/openai/messages.h"
#include "server/refusal.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostPrompts = 32;
constexpr int64_t kMostCompletionLogprobs = 5, kDefaultCompletionTokens = 16;

using Type = LeftAlone::Type;
const std::vector<LeftAlone> kLeftAlone = {{"prediction", Type::kObject},
                                           {"reasoning_effort", Type::kText},
                                           {"verbosity", Type::kText},
                                           {"store", Type::kFlag},
                                           {"safety_identifier", Type::kText},
                                           {"service_tier", Type::kText},
                                           {"prompt_cache_key", Type::kText},
                                           {"prompt_cache_retention", Type::kText},
                                           {"prompt_cache_options", Type::kObject},
                                           {"moderation", Type::kAny}};
const std::vector<std::string_view> kOfChat = {"messages",
                                               "max_tokens",
                                               "max_completion_tokens",
                                               "n",
                                               "logprobs",
                                               "top_logprobs",
                                               "response_format",
                                               "tools",
                                               "functions",
                                               "parallel_tool_calls",
                                               "tool_choice",
                                               "function_call",
                                               "modalities",
                                               "audio",
                                               "web_search_options",
                                               "metadata"};
const std::vector<std::string_view> kOfCompletions = {"prompt", "max_tokens", "n",     "logprobs",
                                                      "echo",   "best_of",    "suffix"};

// Fields of a chat that would change the answer and are not served.
void RefuseWhatCannotBeDone(const Field& body) {
  for (const Field& modality :
       body["modalities"].present() ? body["modalities"].Items(8) : std::vector<Field>()) {
    if (modality.Text() != "text") CannotDo(modality, "the model answers in text alone");
  }
  if (body["audio"].present()) CannotDo(body["audio"], "the model answers in text alone");
  if (body["web_search_options"].present()) {
    CannotDo(body["web_search_options"], "this server fetches nothing");
  }
}

void ReadLogprobs(const Field& body, GenerateOptions& options) {
  const bool logprobs = body["logprobs"].Flag(false);
  const Field top = body["top_logprobs"];
  const auto others = top.Integer(0, kMostTopLogprobs);
  if (others && !logprobs) {
    throw Refusal(Reason::kInvalidValue, "top_logprobs: only together with logprobs: true",
                  top.path());
  }
  if (logprobs) options.top_logprobs = static_cast<int>(others.value_or(0));
}

ToolUse ReadEither(const Field& body, bool& old_functions) {
  old_functions = body["functions"].present() || body["function_call"].present();
  if (!old_functions) return ReadTools(body, Spelling::kNested);
  for (const char* name : {"tools", "tool_choice"}) {
    if (body[name].present()) CannotDo(body[name], "not together with functions, its older form");
  }
  return ReadOldFunctions(body);
}

// One prompt of a completion; ids as they are.
void ReadPrompt(const Field& prompt, const Service& service, Ask& ask, CompletionCall& call) {
  ask.turns.clear();
  ask.options.raw_ids.clear();
  if (!prompt.is_list()) {
    ask.turns = {{Role::kUser, {Part(prompt.Text())}}};
    call.prompts.push_back(prompt.Text());
  } else {
    for (const Field& id : prompt.Items(SIZE_MAX)) {
      const auto number = id.Integer(0, service.engine.facts().vocab_size - 1);
      if (!number) id.Text();  // complains
      ask.options.raw_ids.push_back(static_cast<int32_t>(*number));
    }
    if (ask.options.raw_ids.empty()) Expected(prompt, "a token id at least");
    call.prompts.push_back(service.engine.Detokenize(ask.options.raw_ids, false));
  }
  call.of_ids.push_back(prompt.is_list());
  ask.prompt.clear();
  AddChoices(ask, service, call);
}

// A text, ids, or a list of either.
std::vector<Field> PromptsOf(const Field& prompt) {
  if (!prompt.is_list() || prompt.json().empty()) return {prompt};
  if (prompt.json().front().is_number()) return {prompt};
  return prompt.Items(kMostPrompts);
}

void ReadBestOf(const Field& body, CompletionCall& call) {
  call.choices = call.choices_per_prompt;
  const Field field = body["best_of"];
  const auto best_of = field.Integer(1, 20);
  if (!best_of) return;
  if (static_cast<size_t>(*best_of) < call.choices) Expected(field, "at least as many as n");
  if (static_cast<size_t>(*best_of) > kMostChoices) {
    CannotDo(field, "at most " + std::to_string(kMostChoices) + " choices are served");
  }
  if (call.stream && static_cast<size_t>(*best_of) > call.choices) {
    CannotDo(field, "what is best is known at the end; not in a stream");
  }
  call.choices_per_prompt = static_cast<size_t>(*best_of);
}

}  // namespace

ChatCall ReadChatCall(const Field& body, const Service& service, const std::string& owner) {
  ChatCall call;
  ReadCall(body, service, call);
  RefuseWhatCannotBeDone(body);
  CheckLeftAlone(body, kLeftAlone);
  call.metadata = ReadMetadata(body["metadata"]);
  if (!body["store"].Flag(false)) call.metadata.clear();
  Ask ask;
  ReadSampling(body, service, ask.options);
  const int64_t most = body["max_tokens"].Integer(1, INT64_MAX).value_or(service.context);
  const int64_t newer =
      body["max_completion_tokens"].Integer(1, INT64_MAX).value_or(service.context);
  ask.options.max_tokens = std::min({most, newer, service.context});
  ReadLogprobs(body, ask.options);
  call.tools = ReadEither(body, call.old_functions);
  const AnswerForm form = ReadAnswerForm(body["response_format"], Spelling::kNested);
  ask.options.constraint = ConstraintOf(call.tools, form);
  call.ignored = UnknownFields(body, kOfChat, kLeftAlone);
  // Last, since it decodes pictures and sound.
  const Field messages = body["messages"];
  DialogueReader reader(service, owner, call);
  for (const Field& message : messages.Items(kMostMessages)) reader.AddMessage(message);
  Dialogue dialogue = reader.Take(messages);
  if (dialogue.continues() && (!form.schema.empty() || call.tools.calls())) {
    CannotDo(messages, "an answer that is begun can be held to no form, and calls no function");
  }
  LayOutDialogue(dialogue, SystemText(dialogue.system, call.tools, form), ask);
  AddChoices(ask, service, call);
  ListenToLogprobs(call);
  return call;
}

CompletionCall ReadCompletionCall(const Field& body, const Service& service) {
  CompletionCall call;
  ReadCall(body, service, call);
  Ask ask;
  ask.options.raw = true;
  ReadSampling(body, service, ask.options);
  ask.options.max_tokens = std::min(
      service.context, body["max_tokens"].Integer(0, INT64_MAX).value_or(kDefaultCompletionTokens));
  const auto logprobs = body["logprobs"].Integer(0, kMostCompletionLogprobs);
  call.top_logprobs = static_cast<int>(logprobs.value_or(-1));
  call.echo = body["echo"].Flag(false);
  ReadBestOf(body, call);
  ask.options.prompt_logprobs = call.echo && logprobs;
  ask.options.top_logprobs = call.top_logprobs;
  if (call.choices_per_prompt > call.choices) {  // by which the best are found
    ask.options.top_logprobs = std::max(0, ask.options.top_logprobs);
  }
  const Field suffix = body["suffix"];
  if (suffix.present() && !suffix.Text().empty()) CannotDo(suffix, "not served");
  call.ignored = UnknownFields(body, kOfCompletions, {});
  const Field prompt = body["prompt"];
  const std::vector<Field> prompts = PromptsOf(prompt);
  for (const Field& one : prompts) ReadPrompt(one, service, ask, call);
  ListenToLogprobs(call);
  return call;
}

}  // namespace gemma3n::server
