// SPDX-License-Identifier: Apache-2.0
#include "server/openai/completion_answer.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>

#include "server/openai/answer.h"

namespace gemma3n::server {
namespace {

double MeanLogprob(const GenerateResult& result) {
  if (result.logprobs.empty()) return 0;
  double sum = 0;
  for (const TokenLogprob& token : result.logprobs) sum += token.logprob;
  return sum / static_cast<double>(result.logprobs.size());
}

}  // namespace

CompletionWriter::CompletionWriter(const CompletionCall& call, const Service& service)
    : call_(call),
      service_(service),
      id_(NewId("cmpl-")),
      fingerprint_(Fingerprint(service)),
      created_(static_cast<int64_t>(std::time(nullptr))),
      told_(call.logprobs.size(), CompletionLogprobs(service.engine)),
      prompt_told_(call.echo ? call.logprobs.size() : 0) {}

Json CompletionWriter::Head() const {
  return {{"id", id_},
          {"object", "text_completion"},
          {"created", created_},
          {"model", call_.model},
          {"system_fingerprint", fingerprint_}};
}

// Before a text stands the <bos> that is nobody's; before ids nothing.
void CompletionWriter::AddPrompt(size_t prompt, const std::vector<TokenLogprob>& tokens,
                                 CompletionLogprobs& logprobs) const {
  for (size_t i = call_.of_ids[prompt] ? 0 : 1; i < tokens.size(); ++i) {
    logprobs.Add(tokens[i], /*first=*/i == 0);
  }
}

Json CompletionWriter::Logprobs(size_t prompt, const GenerateResult& result) const {
  if (call_.top_logprobs < 0) return nullptr;
  CompletionLogprobs logprobs(service_.engine);
  AddPrompt(prompt, result.prompt_logprobs, logprobs);
  for (const TokenLogprob& token : result.logprobs) logprobs.Add(token);
  // Who scores a prompt counts on one token of an answer, also where that is none of text.
  if (call_.echo && result.end_logprob) logprobs.Add(*result.end_logprob);
  return logprobs.Take();
}

std::vector<size_t> CompletionWriter::Chosen(size_t prompt,
                                             const std::vector<GenerateResult>& results) const {
  std::vector<size_t> choices(call_.choices_per_prompt);
  std::iota(choices.begin(), choices.end(), prompt * call_.choices_per_prompt);
  if (call_.choices < choices.size()) {
    std::stable_sort(choices.begin(), choices.end(), [&](size_t a, size_t b) {
      return MeanLogprob(results[a]) > MeanLogprob(results[b]);
    });
    choices.resize(call_.choices);
  }
  return choices;
}

std::string CompletionWriter::Whole(const std::vector<GenerateResult>& results,
                                    double waited_ms) const {
  Json choices = Json::array();
  for (size_t prompt = 0; prompt < call_.prompts.size(); ++prompt) {
    for (const size_t i : Chosen(prompt, results)) {
      choices.push_back({{"text", (call_.echo ? call_.prompts[prompt] : "") + results[i].text},
                         {"index", choices.size()},
                         {"logprobs", Logprobs(prompt, results[i])},
                         {"finish_reason", FinishReasonName(results[i].finish_reason)}});
    }
  }
  Json answer = Head();
  answer["choices"] = std::move(choices);
  answer["usage"] = UsageJson(SpentOf(call_, service_, results));
  answer["timings"] = TimingsJson(results, waited_ms);
  return JsonLine(answer);
}

std::string CompletionWriter::Chunk(size_t choice, const std::string& text, Json logprobs,
                                    Json finish_reason) const {
  Json chunk = Head();
  chunk["choices"] = Json::array({{{"text", text},
                                   {"index", choice},
                                   {"logprobs", std::move(logprobs)},
                                   {"finish_reason", std::move(finish_reason)}}});
  if (call_.include_usage) chunk["usage"] = nullptr;
  return EventFrame(JsonLine(chunk));
}

std::string CompletionWriter::Begin() {
  std::string frames;
  for (size_t i = 0; i < call_.asks.size(); ++i) {
    const bool now = call_.echo && prompt_told_.empty();
    frames += Chunk(i, now ? call_.prompts[i / call_.choices_per_prompt] : "", nullptr, nullptr);
  }
  return frames;
}

std::string CompletionWriter::Prompt(size_t choice) {
  if (prompt_told_.empty() || prompt_told_[choice]) return "";
  prompt_told_[choice] = true;
  const size_t prompt = choice / call_.choices_per_prompt;
  AddPrompt(prompt, call_.logprobs[choice]->TakeFirst(call_.asks[choice].prompt.size()),
            told_[choice]);
  return Chunk(choice, call_.prompts[prompt], told_[choice].Take(), nullptr);
}

Json CompletionWriter::LogprobsOf(size_t choice, size_t bytes, const GenerateResult* end) {
  if (told_.empty()) return nullptr;
  call_.logprobs[choice]->Grant(bytes);
  for (const TokenLogprob& token : call_.logprobs[choice]->Take(service_.engine, end != nullptr)) {
    told_[choice].Add(token);
  }
  if (end != nullptr && call_.echo && end->end_logprob) told_[choice].Add(*end->end_logprob);
  Json logprobs = told_[choice].Take();
  return logprobs["tokens"].empty() ? Json(nullptr) : logprobs;
}

std::string CompletionWriter::Text(size_t choice, const std::string& text) {
  std::string frames = Prompt(choice);
  return frames + Chunk(choice, text, LogprobsOf(choice, text.size()), nullptr);
}

std::string CompletionWriter::End(size_t choice, const GenerateResult& result) {
  std::string frames = Prompt(choice);
  return frames +
         Chunk(choice, "", LogprobsOf(choice, 0, &result), FinishReasonName(result.finish_reason));
}

std::string CompletionWriter::Finish(const std::vector<GenerateResult>& results, double waited_ms) {
  std::string frames;
  if (call_.include_usage) {
    Json chunk = Head();
    chunk["choices"] = Json::array();
    chunk["usage"] = UsageJson(SpentOf(call_, service_, results));
    chunk["timings"] = TimingsJson(results, waited_ms);
    frames = EventFrame(JsonLine(chunk));
  }
  return frames + EventFrame("[DONE]");
}

std::string CompletionWriter::Failure(const Refusal& refusal) {
  return EventFrame(ErrorText(refusal));
}

}  // namespace gemma3n::server
