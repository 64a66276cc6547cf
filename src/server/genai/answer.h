// SPDX-License-Identifier: Apache-2.0
// Answers -> JSON in Google's dialect.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "server/answer_stream.h"
#include "server/chat.h"
#include "server/genai/request.h"
#include "server/refusal.h"
#include "server/spent.h"
#include "server/tool_answer.h"

namespace gemma3n::server {

// A stream is one of events, or one JSON list that grows.
enum class GenAiStream { kEvents, kList };

// Writes one call's answer, whole or as a stream; all pieces have the same id and time.
class GenAiWriter : public StreamWriter {
 public:
  GenAiWriter(GenAiStream form, const GenAiCall& call, const Service& service);

  std::string Whole(const std::vector<GenerateResult>& results) const;

  std::string ContentType() const override;
  std::string Begin() override { return form_ == GenAiStream::kList ? "[" : ""; }
  std::string Text(size_t choice, const std::string& text) override;
  std::string End(size_t choice, const GenerateResult& result) override;
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;

 private:
  std::string Framed(const std::string& text);
  Json Response(Json candidates) const;
  Json LastOf(size_t choice, const ToolAnswer& answer, const GenerateResult& result) const;
  Json UsageJson(const std::vector<GenerateResult>& results) const;

  const GenAiStream form_;
  const GenAiCall& call_;
  const Service& service_;
  const std::string id_, created_;
  std::vector<ToolAnswerReader> readers_;  // of each choice
  bool has_begun_ = false;                 // something is in the stream
  std::string last_;  // of the last choice, which is held back for the counts of all
};

// A functionCall. The model wrote its arguments: a name may be there twice, the last one counts.
Json GenAiCallJson(const ToolCall& call);
// usageMetadata. `answer`: what the answer's counts begin with, "candidates" or "response".
Json GenAiUsage(const Spent& spent, const std::string& answer);
std::string GenAiErrorText(const Refusal& refusal);
// {"totalTokens": ...}
std::string CountText(const GenAiCall& call, const Service& service);

}  // namespace gemma3n::server
