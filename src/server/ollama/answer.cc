// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"

namespace gemma3n::server {
namespace {

int64_t Nanoseconds(double ms) {
  return static_cast<int64_t>(ms * 1e6);
}

Json TokenJson(const Engine& engine, int32_t id, double logprob) {
  const std::string text = TokenBytes(engine, id);
  return {{"token", text}, {"logprob", std::max(logprob, -9999.0)}, {"bytes", BytesJson(text)}};
}

Json LogprobsJson(const Engine& engine, const GenerateResult& result) {
  Json list = Json::array();
  for (const TokenLogprob& token : result.logprobs) {
    Json entry = TokenJson(engine, token.id, token.logprob);
    if (!token.likeliest.empty()) entry["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      entry["top_logprobs"].push_back(TokenJson(engine, id, logprob));
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json CallsJson(const std::vector<ToolCall>& calls, size_t first_index) {
  Json list = Json::array();
  for (const ToolCall& call : calls) {
    list.push_back({{"id", call.id},
                    {"function",
                     {{"index", first_index++},
                      {"name", call.name},
                      {"arguments", Json::parse(call.arguments)}}}});
  }
  return list;
}

// What Ollama's own messages begin with, by which people and clients know them.
const char* OpeningOf(Reason reason) {
  switch (reason) {
    case Reason::kInvalidJson:
    case Reason::kInvalidValue:
    case Reason::kUnsupportedValue:
    case Reason::kMissing:
      return "invalid request: ";
    case Reason::kInvalidJsonSchema:
      return "invalid format: ";
    case Reason::kPreviousNotFound:
      return "invalid request: ";
    case Reason::kInvalidImage:
      return "cannot read image: ";
    case Reason::kInvalidAudio:
      return "cannot read audio: ";
    case Reason::kInvalidVideo:
      return "cannot read video: ";
    case Reason::kContextLength:
      return "prompt too long: ";
    case Reason::kInvalidKey:
      return "unauthorized: ";
    case Reason::kNotAllowed:
      return "forbidden: ";
    case Reason::kMethodNotAllowed:
      return "method not allowed: ";
    case Reason::kTooLarge:
      return "request too large: ";
    case Reason::kBusy:
      return "server busy: ";
    case Reason::kBadFraming:
    case Reason::kModelNotFound:
    case Reason::kNotFound:
    case Reason::kNotServed:
    case Reason::kMediaType:
    case Reason::kTooManyGuesses:
    case Reason::kFull:
    case Reason::kDraining:
    case Reason::kOutOfMemory:
    case Reason::kInternal:
      break;
  }
  return "";
}

}  // namespace

Json OllamaWriter::Line(const ToolAnswer& answer, bool done) const {
  Json line = {{"model", call_.model}, {"created_at", TimeText(std::chrono::system_clock::now())}};
  if (kind_ == OllamaKind::kChat) {
    line["message"] = {{"role", "assistant"}, {"content", answer.text}};
    if (!answer.calls.empty()) {
      line["message"]["tool_calls"] = CallsJson(answer.calls, calls_told_);
    }
  } else {
    line["response"] = answer.text;
  }
  line["done"] = done;
  return line;
}

Json OllamaWriter::Last(const ToolAnswer& answer, const GenerateResult& result,
                        double waited_ms) const {
  Json line = Line(answer, true);
  line["done_reason"] = result.finish_reason == FinishReason::kStop ? "stop" : "length";
  if (call_.asks[0].options.top_logprobs >= 0) {
    line["logprobs"] = LogprobsJson(service_.engine, result);
  }
  if (kind_ == OllamaKind::kGenerate && call_.pictures + call_.clips == 0) {
    std::vector<int32_t> ids = result.prompt_token_ids;
    ids.insert(ids.end(), result.token_ids.begin(), result.token_ids.end());
    line["context"] = std::move(ids);
  }
  const Timings& times = result.timings;
  const double total_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began_).count();
  line["total_duration"] = Nanoseconds(total_ms);
  line["load_duration"] = Nanoseconds(waited_ms);
  line["prompt_eval_count"] = result.prompt_token_ids.size();
  line["prompt_eval_duration"] = Nanoseconds(times.prefill_ms + times.image_ms + times.audio_ms);
  line["eval_count"] = result.token_ids.size();
  line["eval_duration"] = Nanoseconds(times.decode_ms);
  return line;
}

std::string OllamaWriter::Whole(const GenerateResult& result, double waited_ms) const {
  return JsonLine(Last(ReadToolAnswer(result.text, call_.tools.calls()), result, waited_ms));
}

std::string OllamaWriter::NoAnswer(const char* done_reason) const {
  Json line = Line({}, true);
  line["done_reason"] = done_reason;
  return JsonLine(line) + "\n";
}

std::string OllamaWriter::Text(size_t, const std::string& text) {
  const ToolAnswer news = reader_.Push(text);
  if (news.text.empty() && news.calls.empty()) return "";
  const std::string line = JsonLine(Line(news, false)) + "\n";
  calls_told_ += news.calls.size();
  return line;
}

std::string OllamaWriter::Finish(const std::vector<GenerateResult>& results, double waited_ms) {
  return JsonLine(Last(reader_.Finish(), results[0], waited_ms)) + "\n";
}

std::string OllamaWriter::Failure(const Refusal& refusal) {
  return OllamaErrorText(refusal) + "\n";
}

std::string OllamaErrorText(const Refusal& refusal) {
  return JsonLine({{"error", OpeningOf(refusal.reason) + std::string(refusal.what())}});
}

}  // namespace gemma3n::server
