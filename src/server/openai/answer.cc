// SPDX-License-Identifier: Apache-2.0
#include "server/openai/answer.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace gemma3n::server {
namespace {

double PerSecond(int64_t count, double ms) {
  return ms > 0 ? 1000.0 * static_cast<double>(count) / ms : 0;
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
    case Reason::kPreviousNotFound:
      return {kInvalid, "previous_response_not_found"};
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
    case Reason::kFull:
      return {"rate_limit_error", "no_room_left"};
    case Reason::kDraining:
      return {"server_error", "shutting_down"};
    case Reason::kOutOfMemory:
      return {"server_error", "out_of_memory"};
    case Reason::kNotServed:
      return {kInvalid, "not_supported"};
    case Reason::kInternal:
      break;
  }
  return {"server_error", "internal_error"};
}

}  // namespace

Json ErrorJson(const Refusal& refusal) {
  const Dress dress = DressOf(refusal.reason);
  return {{"message", refusal.what()},
          {"type", dress.type},
          {"param", refusal.param.empty() ? Json(nullptr) : Json(refusal.param)},
          {"code", dress.code}};
}

std::string ErrorText(const Refusal& refusal) {
  return JsonLine({{"error", ErrorJson(refusal)}});
}

std::string Fingerprint(const Service& service) {
  const SizeFacts size = service.engine.FactsOf(service.engine.size());
  const std::string files = service.card == nullptr ? "" : service.card->digest;
  const std::string text = std::string(GEMMA3N_VERSION "|") + service.options.model_name + "|" +
                           files + "|" + service.engine.size().name + "|" +
                           std::to_string(size.effective_parameters) + "|" +
                           std::to_string(service.context);
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  char name[16];
  std::snprintf(name, sizeof(name), "fp_%010llx",
                static_cast<unsigned long long>(hash & 0xffffffffff));
  return name;
}

Json UsageJson(const Spent& spent) {
  return {{"prompt_tokens", spent.prompt},
          {"completion_tokens", spent.answer},
          {"total_tokens", spent.prompt + spent.answer},
          {"prompt_tokens_details",
           {{"cached_tokens", spent.cached},
            {"audio_tokens", spent.audio},
            {"image_tokens", spent.image},
            {"text_tokens", spent.text()}}},
          {"completion_tokens_details",
           {{"reasoning_tokens", 0},
            {"audio_tokens", 0},
            {"accepted_prediction_tokens", 0},
            {"rejected_prediction_tokens", 0}}}};
}

Json TimingsJson(std::span<const GenerateResult> results, double waited_ms) {
  double prefill_ms = 0, media_ms = 0, decode_ms = 0;
  int64_t prefill = 0, decode = 0;
  for (const GenerateResult& result : results) {
    prefill_ms += result.timings.prefill_ms;
    media_ms += result.timings.image_ms + result.timings.audio_ms;
    decode_ms += result.timings.decode_ms;
    prefill += result.timings.prefill_tokens;
    decode += result.timings.decode_tokens;
  }
  return {{"queue_ms", waited_ms},
          {"load_ms", 0},  // a model is there before the first request
          {"media_ms", media_ms},
          {"prefill_ms", prefill_ms},
          {"prefill_tps", PerSecond(prefill, prefill_ms)},
          {"decode_ms", decode_ms},
          {"decode_tps", PerSecond(decode, decode_ms)}};
}

}  // namespace gemma3n::server
