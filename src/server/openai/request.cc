// SPDX-License-Identifier: Apache-2.0
// The rule for fields: what would change the answer and cannot be done is refused; what is about
// somebody's billing, storage or supervision is read and left alone.
#include "server/openai/request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/refusal.h"
#include "server/sizes.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostPrompts = 32;
constexpr int64_t kMostCompletionLogprobs = 5, kDefaultCompletionTokens = 16;

const std::vector<std::string_view> kSampling = {
    "model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "stop", "seed",
    "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "user",
    // beyond OpenAI's:
    "top_k", "min_p", "repeat_penalty", "size"};
const std::vector<std::string_view> kOfChat = {
    "messages", "max_completion_tokens", "top_logprobs", "response_format", "tools", "tool_choice",
    "parallel_tool_calls", "functions", "function_call", "modalities", "audio",
    "web_search_options",
    // Left alone:
    "prediction", "reasoning_effort", "verbosity", "store", "metadata", "safety_identifier",
    "service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options",
    "moderation"};
const std::vector<std::string_view> kOfCompletions = {"prompt", "echo", "best_of", "suffix"};

std::vector<std::string> UnknownFields(const Field& body,
                                       const std::vector<std::string_view>& more) {
  std::vector<std::string_view> known = kSampling;
  known.insert(known.end(), more.begin(), more.end());
  return body.Others(known);
}

void ReadSampling(const Field& body, const Service& service, GenerateOptions& options) {
  SamplingOptions& sampling = options.sampling;
  sampling.temperature = body["temperature"].Number(0, 2);
  sampling.top_p = body["top_p"].Number(0, 1);
  sampling.top_k = body["top_k"].Integer(0, service.engine.facts().vocab_size);
  if (sampling.top_p == 0.0) {  // the smallest share is that of the likeliest token
    sampling.top_p.reset();
    sampling.top_k = 1;
  }
  sampling.min_p = body["min_p"].Number(0, 1).value_or(0);
  const Field penalty = body["repeat_penalty"];
  sampling.repetition_penalty = penalty.Number(0, 100).value_or(1);
  if (sampling.repetition_penalty == 0) {
    throw Refusal(Reason::kInvalidValue, penalty.path() + ": expected more than 0", penalty.path());
  }
  for (const char* name : {"presence_penalty", "frequency_penalty"}) {
    const Field field = body[name];
    if (field.Number(-2, 2).value_or(0) != 0) {
      CannotDo(field, "only 0 is served yet; repeat_penalty is");
    }
  }
  if (const auto seed = body["seed"].Integer(INT64_MIN, INT64_MAX)) {
    sampling.seed = static_cast<uint64_t>(*seed);
  }
  sampling.logit_bias = ReadBiases(body["logit_bias"], service.engine.facts().vocab_size);
  options.stop = ReadStops(body["stop"]);
  options.size = ReadSize(body["size"], service);
}

// What both kinds of calls have in common.
OpenAiCall ReadCall(const Field& body, const Service& service) {
  if (!body.json().is_object()) {
    throw Refusal(Reason::kInvalidJson, "body: expected an object");
  }
  OpenAiCall call;
  const Field model = body["model"];
  call.model = model.present() ? model.Text() : service.options.model_name;
  service.CheckModel(call.model);
  call.stream = body["stream"].Flag(false);
  const Field stream_options = body["stream_options"];
  if (stream_options.present() && !call.stream) {
    throw Refusal(Reason::kInvalidValue, "stream_options: only together with stream: true",
                  "stream_options");
  }
  call.include_usage = stream_options["include_usage"].Flag(false);
  const Field n = body["n"];
  call.choices_per_prompt = static_cast<size_t>(n.Integer(1, 128).value_or(1));
  if (call.choices_per_prompt > kMostChoices) {
    CannotDo(n, "at most " + std::to_string(kMostChoices) + " choices are served");
  }
  if (body["user"].present()) body["user"].Text();
  return call;
}

std::string TextOf(const Field& content) {
  if (content.is_text()) return content.Text();
  std::string text;
  for (const Field& part : content.Items(kMostParts)) {
    const std::string& type = part["type"].Text();
    if (type != "text") {
      CannotDo(part["type"],
               "only text is taken in messages of this role, found '" + Shown(type) + "'");
    }
    text += part["text"].Text();
  }
  return text;
}

class ChatReader {
 public:
  ChatReader(const Service& service, const std::string& owner, OpenAiCall& call)
      : media_(service, owner, call) {}

  std::vector<Turn> Read(const Field& messages) {
    std::vector<Turn> turns;
    std::string system;
    bool has_system = false;
    for (const Field& message : messages.Items(kMostMessages)) {
      const std::string role = *RoleOf(message);
      const Field content = message["content"];
      if (role == "system" || role == "developer") {
        system += (has_system ? "\n\n" : "") + TextOf(content);
        has_system = true;
      } else if (role == "assistant") {
        CheckAssistant(message);
        turns.push_back({Role::kModel, {Part(TextOf(content))}});
      } else {
        turns.push_back({Role::kUser, UserParts(content)});
      }
    }
    if (turns.empty()) {
      throw Refusal(Reason::kInvalidValue, "messages: expected one of the user at least",
                    messages.path());
    }
    if (turns.back().role != Role::kUser) {
      CannotDo(messages, "the last message is the assistant's; only answers to a user are served");
    }
    if (has_system) turns.insert(turns.begin(), {Role::kSystem, {Part(system)}});
    return turns;
  }

 private:
  static std::optional<std::string> RoleOf(const Field& message) {
    const Field role = message["role"];
    if (!role.present()) role.Text();  // complains
    const auto word = role.Word({"system", "developer", "user", "assistant", "tool", "function"});
    if (word == "tool" || word == "function") CannotDo(role, "tools are not served yet");
    return word;
  }

  static void CheckAssistant(const Field& message) {
    for (const char* name : {"tool_calls", "function_call"}) {
      if (message[name].present()) CannotDo(message[name], "tools are not served yet");
    }
  }

  std::vector<Part> UserParts(const Field& content) {
    if (content.is_text()) return {Part(content.Text())};
    std::vector<Part> parts;
    for (const Field& part : content.Items(kMostParts)) {
      media_.CountPart(part);
      parts.push_back(UserPart(part));
    }
    if (parts.empty()) {
      throw Refusal(Reason::kInvalidValue, content.path() + ": expected a part at least",
                    content.path());
    }
    return parts;
  }

  Part UserPart(const Field& part) {
    const Field type = part["type"];
    const std::string& kind = type.Text();
    if (kind == "text") return Part(part["text"].Text());
    if (kind == "image_url") return Picture(part["image_url"]);
    if (kind == "input_audio") return Sound(part["input_audio"]);
    if (kind == "video_url") return Film(part["video_url"]);
    CannotDo(type,
             "expected text, image_url, input_audio or video_url, found '" + Shown(kind) + "'");
  }

  Part Picture(const Field& field) {
    const Field url = field.is_text() ? field : field["url"];
    // The model sees every picture at one size and cost; there is nothing to choose.
    if (!field.is_text()) field["detail"].Word({"auto", "low", "high"});
    return media_.Picture(url);
  }

  Part Sound(const Field& field) {
    if (field["format"].present()) field["format"].Text();  // the bytes say what it is
    return media_.Sound(field["data"]);
  }

  Part Film(const Field& field) {
    const Field url = field.is_text() ? field : field["url"];
    VideoOptions video;
    if (!field.is_text()) {
      video.fps = field["fps"].Number(0.01, 24).value_or(video.fps);
      video.from_s = field["start"].Number(0, 1e6).value_or(video.from_s);
      video.to_s = field["end"].Number(0, 1e6).value_or(video.to_s);
    }
    return media_.Film(url, video);
  }

  MediaParts media_;
};

// Fields of a chat that would change the answer and are not served.
void RefuseWhatCannotBeDone(const Field& body) {
  for (const char* name : {"tools", "functions"}) {
    const Field field = body[name];
    if (field.present() && !field.Items(kMostParts).empty()) {
      CannotDo(field, "tools are not served yet");
    }
  }
  for (const char* name : {"tool_choice", "function_call"}) {
    const Field choice = body[name];
    const bool neutral = choice.is_text() && (choice.Text() == "none" || choice.Text() == "auto");
    if (choice.present() && !neutral) CannotDo(choice, "tools are not served yet");
  }
  body["parallel_tool_calls"].Flag(true);
  const Field format = body["response_format"];
  if (format.present()) {
    const auto type = format["type"].Word({"text", "json_object", "json_schema"});
    if (!type) format["type"].Text();  // complains
    if (type != "text") CannotDo(format["type"], "only text is served yet");
  }
  for (const Field& modality :
       body["modalities"].present() ? body["modalities"].Items(8) : std::vector<Field>()) {
    if (modality.Text() != "text") CannotDo(modality, "the model answers in text alone");
  }
  if (body["audio"].present()) CannotDo(body["audio"], "the model answers in text alone");
  if (body["web_search_options"].present()) {
    CannotDo(body["web_search_options"], "this server fetches nothing");
  }
}

}  // namespace

OpenAiCall ReadChatCall(const Field& body, const Service& service, const std::string& owner) {
  OpenAiCall call = ReadCall(body, service);
  RefuseWhatCannotBeDone(body);
  Ask ask;
  ReadSampling(body, service, ask.options);
  const int64_t most = body["max_tokens"].Integer(1, INT64_MAX).value_or(service.context);
  const int64_t newer =
      body["max_completion_tokens"].Integer(1, INT64_MAX).value_or(service.context);
  ask.options.max_tokens = std::min({most, newer, service.context});
  const bool logprobs = body["logprobs"].Flag(false);
  const Field top = body["top_logprobs"];
  const auto others = top.Integer(0, kMostTopLogprobs);
  if (others && !logprobs) {
    throw Refusal(Reason::kInvalidValue, "top_logprobs: only together with logprobs: true",
                  top.path());
  }
  if (logprobs) ask.options.top_logprobs = static_cast<int>(others.value_or(0));
  call.ignored = UnknownFields(body, kOfChat);
  // Last, since it decodes pictures and sound.
  ask.turns = ChatReader(service, owner, call).Read(body["messages"]);
  AddChoices(ask, service, call);
  return call;
}

OpenAiCall ReadCompletionCall(const Field& body, const Service& service) {
  OpenAiCall call = ReadCall(body, service);
  Ask ask;
  ask.options.raw = true;
  ReadSampling(body, service, ask.options);
  ask.options.max_tokens = std::min(
      service.context, body["max_tokens"].Integer(1, INT64_MAX).value_or(kDefaultCompletionTokens));
  const auto logprobs = body["logprobs"].Integer(0, kMostCompletionLogprobs);
  ask.options.top_logprobs = static_cast<int>(logprobs.value_or(-1));
  const Field echo = body["echo"];
  if (echo.Flag(false) && logprobs) CannotDo(echo, "not served together with logprobs yet");
  const Field best_of = body["best_of"];
  if (best_of.Integer(1, 20).value_or(1) > 1) CannotDo(best_of, "only 1 is served yet");
  const Field suffix = body["suffix"];
  if (suffix.present() && !suffix.Text().empty()) CannotDo(suffix, "not served");
  call.ignored = UnknownFields(body, kOfCompletions);
  const Field prompt = body["prompt"];
  std::vector<Field> prompts = {prompt};
  if (prompt.is_list()) prompts = prompt.Items(SIZE_MAX);
  for (const Field& one : prompts) {
    if (one.json().is_number() || one.is_list()) {
      CannotDo(prompt, "token ids are not served yet; send text");
    }
    ask.turns = {{Role::kUser, {Part(one.Text())}}};
    for (size_t i = 0; i < call.choices_per_prompt; ++i) {
      call.echoes.push_back(echo.Flag(false) ? one.Text() : "");
    }
    AddChoices(ask, service, call);
    if (call.asks.size() > kMostPrompts * kMostChoices) break;
  }
  if (prompts.empty() || prompts.size() > kMostPrompts) {
    throw Refusal(Reason::kInvalidValue,
                  "prompt: expected 1 to " + std::to_string(kMostPrompts) + " prompts, found " +
                      std::to_string(prompts.size()),
                  prompt.path());
  }
  return call;
}

}  // namespace gemma3n::server
