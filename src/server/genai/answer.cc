// SPDX-License-Identifier: Apache-2.0
#include "server/genai/answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"

namespace gemma3n::server {
namespace {

Json PartsJson(const ToolAnswer& answer) {
  Json parts = Json::array();
  if (!answer.text.empty() || answer.calls.empty()) parts.push_back({{"text", answer.text}});
  for (const ToolCall& call : answer.calls) {
    parts.push_back({{"functionCall", GenAiCallJson(call)}});
  }
  return parts;
}

Json CandidateJson(size_t choice, const ToolAnswer& answer) {
  return {{"content", {{"role", "model"}, {"parts", PartsJson(answer)}}}, {"index", choice}};
}

Json TokenJson(const Engine& engine, int32_t id, double logprob) {
  return {{"token", TokenBytes(engine, id)},
          {"tokenId", id},
          {"logProbability", std::max(logprob, -9999.0)}};
}

void AddLogprobs(const Engine& engine, const GenerateResult& result, Json& candidate) {
  Json tops = Json::array(), chosen = Json::array();
  double sum = 0;
  for (const TokenLogprob& token : result.logprobs) {
    sum += token.logprob;
    chosen.push_back(TokenJson(engine, token.id, token.logprob));
    Json likeliest = Json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      likeliest.push_back(TokenJson(engine, id, logprob));
    }
    tops.push_back({{"candidates", std::move(likeliest)}});
  }
  const auto count = static_cast<double>(std::max<size_t>(1, result.logprobs.size()));
  candidate["avgLogprobs"] = sum / count;
  candidate["logprobsResult"] = {{"topCandidates", std::move(tops)},
                                 {"chosenCandidates", std::move(chosen)},
                                 {"logProbabilitySum", sum}};
}

Json DetailsOf(const Spent& spent) {
  Json details = Json::array();
  const auto add = [&](const char* modality, int64_t count) {
    if (count > 0) details.push_back({{"modality", modality}, {"tokenCount", count}});
  };
  add("TEXT", spent.text());
  add("IMAGE", spent.image);
  add("AUDIO", spent.audio);
  return details;
}

const char* StatusText(Reason reason) {
  switch (reason) {
    case Reason::kInvalidKey:
      return "UNAUTHENTICATED";
    case Reason::kNotAllowed:
      return "PERMISSION_DENIED";
    case Reason::kModelNotFound:
    case Reason::kNotFound:
      return "NOT_FOUND";
    case Reason::kMethodNotAllowed:
    case Reason::kNotServed:
      return "UNIMPLEMENTED";
    case Reason::kTooManyGuesses:
    case Reason::kBusy:
    case Reason::kFull:
    case Reason::kOutOfMemory:
      return "RESOURCE_EXHAUSTED";
    case Reason::kDraining:
      return "UNAVAILABLE";
    case Reason::kInternal:
      return "INTERNAL";
    default:
      return "INVALID_ARGUMENT";
  }
}

}  // namespace

Json GenAiCallJson(const ToolCall& call) {
  return {{"id", call.id}, {"name", call.name}, {"args", Json::parse(call.arguments)}};
}

GenAiWriter::GenAiWriter(GenAiStream form, const GenAiCall& call, const Service& service)
    : form_(form),
      call_(call),
      service_(service),
      id_(NewId("")),
      created_(TimeText(std::chrono::system_clock::now())),
      readers_(call.asks.size(), ToolAnswerReader(call.tools.calls())) {}

std::string GenAiWriter::ContentType() const {
  return form_ == GenAiStream::kList ? "application/json" : "text/event-stream";
}

std::string GenAiWriter::Framed(const std::string& text) {
  if (form_ == GenAiStream::kEvents) return "data: " + text + "\r\n\r\n";
  const bool first = !has_begun_;
  has_begun_ = true;
  return (first ? "" : ",\r\n") + text;
}

Json GenAiWriter::Response(Json candidates) const {
  return {{"candidates", std::move(candidates)},
          {"modelVersion", call_.model},
          {"responseId", id_},
          {"createTime", created_}};
}

Json GenAiWriter::LastOf(size_t choice, const ToolAnswer& answer,
                         const GenerateResult& result) const {
  Json candidate = CandidateJson(choice, answer);
  candidate["finishReason"] = result.finish_reason == FinishReason::kStop ? "STOP" : "MAX_TOKENS";
  if (call_.asks[choice].options.top_logprobs >= 0) {
    AddLogprobs(service_.engine, result, candidate);
  }
  return candidate;
}

Json GenAiWriter::UsageJson(const std::vector<GenerateResult>& results) const {
  return GenAiUsage(SpentOf(call_, service_, results), "candidates");
}

std::string GenAiWriter::Whole(const std::vector<GenerateResult>& results) const {
  Json candidates = Json::array();
  for (size_t i = 0; i < results.size(); ++i) {
    const ToolAnswer answer = ReadToolAnswer(results[i].text, call_.tools.calls());
    candidates.push_back(LastOf(i, answer, results[i]));
  }
  Json response = Response(std::move(candidates));
  response["usageMetadata"] = UsageJson(results);
  return JsonLine(response);
}

std::string GenAiWriter::Text(size_t choice, const std::string& text) {
  const ToolAnswer news = readers_[choice].Push(text);
  if (news.text.empty() && news.calls.empty()) return "";
  return Framed(JsonLine(Response(Json::array({CandidateJson(choice, news)}))));
}

std::string GenAiWriter::End(size_t choice, const GenerateResult& result) {
  const Json last = Response(Json::array({LastOf(choice, readers_[choice].Finish(), result)}));
  if (choice + 1 < call_.asks.size()) return Framed(JsonLine(last));
  last_ = JsonLine(last);
  return "";
}

std::string GenAiWriter::Finish(const std::vector<GenerateResult>& results, double) {
  Json last = Json::parse(last_);
  last["usageMetadata"] = UsageJson(results);
  return Framed(JsonLine(last)) + (form_ == GenAiStream::kList ? "]" : "");
}

std::string GenAiWriter::Failure(const Refusal& refusal) {
  return Framed(GenAiErrorText(refusal)) + (form_ == GenAiStream::kList ? "]" : "");
}

Json GenAiUsage(const Spent& spent, const std::string& answer) {
  Json answers = Json::array();
  answers.push_back({{"modality", "TEXT"}, {"tokenCount", spent.answer}});
  return {{"promptTokenCount", spent.prompt},
          {answer + "TokenCount", spent.answer},
          {"totalTokenCount", spent.prompt + spent.answer},
          {"cachedContentTokenCount", spent.cached},
          {"promptTokensDetails", DetailsOf(spent)},
          {answer + "TokensDetails", std::move(answers)}};
}

std::string GenAiErrorText(const Refusal& refusal) {
  Json error = {{"code", StatusOf(refusal.reason)},
                {"message", refusal.what()},
                {"status", StatusText(refusal.reason)}};
  if (!refusal.param.empty()) {
    Json violation = {{"field", refusal.param}, {"description", refusal.what()}};
    error["details"] = Json::array({{{"@type", "type.googleapis.com/google.rpc.BadRequest"},
                                     {"fieldViolations", Json::array({std::move(violation)})}}});
  }
  return JsonLine({{"error", std::move(error)}});
}

std::string CountText(const GenAiCall& call, const Service& service) {
  std::vector<GenerateResult> prompts(1);
  prompts[0].prompt_token_ids = call.asks[0].prompt;
  const Spent spent = SpentOf(call, service, prompts);
  return JsonLine({{"totalTokens", spent.prompt}, {"promptTokensDetails", DetailsOf(spent)}});
}

}  // namespace gemma3n::server
