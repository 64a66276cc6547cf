// SPDX-License-Identifier: Apache-2.0
#include "server/openai/answer.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace gemma3n::server {
namespace {

// Bytes that are no whole character, which a token may be, become U+FFFD.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json Bytes(const std::string& text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

int64_t CountCharacters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

double PerSecond(int64_t count, double ms) {
  return ms > 0 ? 1000.0 * static_cast<double>(count) / ms : 0;
}

Json ChatToken(const Engine& engine, int32_t id, double logprob) {
  const std::string text = TokenBytes(engine, id);
  // JSON has no infinity; a token that cannot come is as OpenAI writes it.
  return {{"token", text}, {"logprob", std::max(logprob, -9999.0)}, {"bytes", Bytes(text)}};
}

Json ChatLogprobs(const Engine& engine, const GenerateResult& result) {
  Json content = Json::array();
  for (const TokenLogprob& token : result.logprobs) {
    Json entry = ChatToken(engine, token.id, token.logprob);
    entry["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      entry["top_logprobs"].push_back(ChatToken(engine, id, logprob));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// A name that no other token has, also where the token is a part of a character.
std::string TokenName(const std::string& bytes) {
  if (bytes.size() != 1 || (bytes[0] & 0x80) == 0) return bytes;
  char name[16];
  std::snprintf(name, sizeof(name), "bytes:\\x%02x", static_cast<unsigned char>(bytes[0]));
  return name;
}

Json CompletionLogprobs(const Engine& engine, const GenerateResult& result, int64_t offset) {
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const TokenLogprob& token : result.logprobs) {
    const std::string text = TokenBytes(engine, token.id);
    tokens.push_back(text);
    logprobs.push_back(std::max(token.logprob, -9999.0));
    offsets.push_back(offset);
    offset += CountCharacters(text);
    Json top = Json::object();
    for (const auto& [id, logprob] : token.likeliest) {
      top[TokenName(TokenBytes(engine, id))] = logprob;
    }
    tops.push_back(std::move(top));
  }
  return {{"tokens", tokens},
          {"token_logprobs", logprobs},
          {"top_logprobs", tops},
          {"text_offset", offsets}};
}

Json Usage(const OpenAiCall& call, const Service& service,
           const std::vector<GenerateResult>& results) {
  const ModelFacts& facts = service.engine.facts();
  int64_t prompt = 0, cached = 0, answer = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    answer += static_cast<int64_t>(results[i].token_ids.size());
    if (i % call.choices_per_prompt != 0) continue;  // the choices of a prompt share it
    prompt += static_cast<int64_t>(results[i].prompt_token_ids.size());
    cached += results[i].timings.cached_tokens;
  }
  const int64_t image = call.pictures * facts.image_tokens, audio = call.clips * facts.audio_tokens;
  return {{"prompt_tokens", prompt},
          {"completion_tokens", answer},
          {"total_tokens", prompt + answer},
          {"prompt_tokens_details",
           {{"cached_tokens", cached},
            {"audio_tokens", audio},
            {"image_tokens", image},
            {"text_tokens", std::max<int64_t>(0, prompt - image - audio)}}},
          {"completion_tokens_details",
           {{"reasoning_tokens", 0},
            {"audio_tokens", 0},
            {"accepted_prediction_tokens", 0},
            {"rejected_prediction_tokens", 0}}}};
}

Json TimingsOf(const std::vector<GenerateResult>& results, double waited_ms) {
  double prefill_ms = 0, media_ms = 0, decode_ms = 0;
  int64_t prefill = 0, decode = 0;
  for (const GenerateResult& result : results) {
    prefill_ms += result.timings.prefill_ms;
    media_ms += result.timings.image_ms + result.timings.audio_ms;
    decode_ms += result.timings.decode_ms;
    prefill += result.timings.prefill_tokens;
    decode += result.timings.decode_tokens;
  }
  return {{"queue_ms", waited_ms},    {"media_ms", media_ms},
          {"prefill_ms", prefill_ms}, {"prefill_tps", PerSecond(prefill, prefill_ms)},
          {"decode_ms", decode_ms},   {"decode_tps", PerSecond(decode, decode_ms)}};
}

Json ModelJson(const Service& service, const std::string& name) {
  const ModelFacts& facts = service.engine.facts();
  const SizeFacts size = service.engine.FactsOf(service.engine.size());
  Json modalities = {"text"};
  if (facts.sees) modalities.push_back("image");
  if (facts.hears) modalities.push_back("audio");
  if (facts.sees) modalities.push_back("video");
  return {{"id", name},
          {"object", "model"},
          {"created", service.created_at},
          {"owned_by", "local"},
          {"meta",
           {{"context", service.context},
            {"effective_params", size.effective_parameters},
            {"size", service.engine.size().name},
            {"modalities", modalities},
            {"loaded", true}}}};
}

struct Dress {
  const char* type;
  const char* code;
};

Dress DressOf(Reason reason) {
  constexpr const char* kInvalid = "invalid_request_error";
  switch (reason) {
    case Reason::kBadFraming:
      return {kInvalid, "bad_request"};
    case Reason::kInvalidJson:
      return {kInvalid, "invalid_json"};
    case Reason::kInvalidValue:
      return {kInvalid, "invalid_value"};
    case Reason::kUnsupportedValue:
      return {kInvalid, "unsupported_value"};
    case Reason::kMissing:
      return {kInvalid, "missing_required_parameter"};
    case Reason::kInvalidJsonSchema:
      return {kInvalid, "invalid_json_schema"};
    case Reason::kInvalidImage:
      return {kInvalid, "invalid_image"};
    case Reason::kInvalidAudio:
      return {kInvalid, "invalid_audio"};
    case Reason::kInvalidVideo:
      return {kInvalid, "invalid_video"};
    case Reason::kContextLength:
      return {kInvalid, "context_length_exceeded"};
    case Reason::kInvalidKey:
      return {"authentication_error", "invalid_api_key"};
    case Reason::kNotAllowed:
      return {"permission_error", "origin_not_allowed"};
    case Reason::kModelNotFound:
      return {kInvalid, "model_not_found"};
    case Reason::kNotFound:
      return {kInvalid, "not_found"};
    case Reason::kMethodNotAllowed:
      return {kInvalid, "method_not_allowed"};
    case Reason::kTooLarge:
      return {kInvalid, "request_too_large"};
    case Reason::kMediaType:
      return {kInvalid, "unsupported_media_type"};
    case Reason::kTooManyGuesses:
      return {"rate_limit_error", "too_many_attempts"};
    case Reason::kBusy:
      return {"rate_limit_error", "server_busy"};
    case Reason::kDraining:
      return {"server_error", "shutting_down"};
    case Reason::kOutOfMemory:
      return {"server_error", "out_of_memory"};
    case Reason::kInternal:
      break;
  }
  return {"server_error", "internal_error"};
}

}  // namespace

OpenAiWriter::OpenAiWriter(OpenAiKind kind, const OpenAiCall& call, const Service& service)
    : kind_(kind),
      call_(call),
      service_(service),
      id_(NewId(kind == OpenAiKind::kChat ? "chatcmpl-" : "cmpl-")),
      created_(static_cast<int64_t>(std::time(nullptr))) {}

std::string OpenAiWriter::Whole(const std::vector<GenerateResult>& results,
                                double waited_ms) const {
  Json choices = Json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    const GenerateResult& result = results[i];
    const bool logprobs = call_.asks[i].options.top_logprobs >= 0;
    Json choice = {{"index", i}};
    if (kind_ == OpenAiKind::kChat) {
      choice["message"] = {{"role", "assistant"},
                           {"content", result.text},
                           {"refusal", nullptr},
                           {"annotations", Json::array()}};
      choice["logprobs"] = logprobs ? ChatLogprobs(service_.engine, result) : Json(nullptr);
    } else {
      choice["text"] = call_.echoes[i] + result.text;
      choice["logprobs"] =
          logprobs ? CompletionLogprobs(service_.engine, result, 0) : Json(nullptr);
    }
    choice["finish_reason"] = FinishReasonName(result.finish_reason);
    choices.push_back(std::move(choice));
  }
  const bool chat = kind_ == OpenAiKind::kChat;
  return Dump({{"id", id_},
               {"object", chat ? "chat.completion" : "text_completion"},
               {"created", created_},
               {"model", call_.model},
               {"system_fingerprint", nullptr},
               {"choices", std::move(choices)},
               {"usage", Usage(call_, service_, results)},
               {"timings", TimingsOf(results, waited_ms)}});
}

namespace {

// One chunk of a stream around its choices.
Json Chunk(OpenAiKind kind, const std::string& id, int64_t created, const OpenAiCall& call,
           Json choices) {
  Json chunk = {{"id", id},
                {"object", kind == OpenAiKind::kChat ? "chat.completion.chunk" : "text_completion"},
                {"created", created},
                {"model", call.model},
                {"system_fingerprint", nullptr},
                {"choices", std::move(choices)}};
  if (call.include_usage) chunk["usage"] = nullptr;
  return chunk;
}

// One choice with this much new of it.
Json News(OpenAiKind kind, size_t choice, Json delta, Json logprobs, Json finish_reason) {
  Json news = {{"index", choice}};
  news[kind == OpenAiKind::kChat ? "delta" : "text"] = std::move(delta);
  news["logprobs"] = std::move(logprobs);
  news["finish_reason"] = std::move(finish_reason);
  return Json::array({std::move(news)});
}

}  // namespace

std::string OpenAiWriter::Begin() {
  std::string frames;
  for (size_t i = 0; i < call_.asks.size(); ++i) {
    if (kind_ == OpenAiKind::kChat) {
      Json role = {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}};
      frames += EventFrame(
          Dump(Chunk(kind_, id_, created_, call_, News(kind_, i, role, nullptr, nullptr))));
    } else {
      frames += Text(i, call_.echoes[i]);
    }
  }
  return frames;
}

std::string OpenAiWriter::Text(size_t choice, const std::string& text) {
  Json delta = kind_ == OpenAiKind::kChat ? Json{{"content", text}} : Json(text);
  return EventFrame(Dump(
      Chunk(kind_, id_, created_, call_, News(kind_, choice, std::move(delta), nullptr, nullptr))));
}

std::string OpenAiWriter::End(size_t choice, const GenerateResult& result) {
  const bool chat = kind_ == OpenAiKind::kChat;
  Json logprobs = nullptr;
  if (call_.asks[choice].options.top_logprobs >= 0) {
    logprobs = chat ? ChatLogprobs(service_.engine, result)
                    : CompletionLogprobs(service_.engine, result, 0);
  }
  return EventFrame(Dump(Chunk(kind_, id_, created_, call_,
                               News(kind_, choice, chat ? Json::object() : Json(""),
                                    std::move(logprobs), FinishReasonName(result.finish_reason)))));
}

std::string OpenAiWriter::Finish(const std::vector<GenerateResult>& results, double waited_ms) {
  std::string frames;
  if (call_.include_usage) {
    Json chunk = Chunk(kind_, id_, created_, call_, Json::array());
    chunk["usage"] = Usage(call_, service_, results);
    chunk["timings"] = TimingsOf(results, waited_ms);
    frames = EventFrame(Dump(chunk));
  }
  return frames + EventFrame("[DONE]");
}

std::string OpenAiWriter::Failure(const Refusal& refusal) {
  return EventFrame(ErrorText(refusal));
}

std::string ModelText(const Service& service, const std::string& name) {
  return Dump(ModelJson(service, name));
}

std::string ModelListText(const Service& service) {
  Json data = Json::array();
  for (const std::string& name : service.ModelNames()) data.push_back(ModelJson(service, name));
  return Dump({{"object", "list"}, {"data", std::move(data)}});
}

std::string ErrorText(const Refusal& refusal) {
  const Dress dress = DressOf(refusal.reason);
  return Dump({{"error",
                {{"message", refusal.what()},
                 {"type", dress.type},
                 {"param", refusal.param.empty() ? Json(nullptr) : Json(refusal.param)},
                 {"code", dress.code}}}});
}

}  // namespace gemma3n::server
