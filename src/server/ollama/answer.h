// SPDX-License-Identifier: Apache-2.0
// Answers -> JSON in Ollama's dialect.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "server/answer_stream.h"
#include "server/chat.h"
#include "server/ollama/request.h"
#include "server/refusal.h"
#include "server/tool_answer.h"

namespace gemma3n::server {

// Writes one call's answer, whole or line by line.
class OllamaWriter : public StreamWriter {
 public:
  OllamaWriter(OllamaKind kind, const OllamaCall& call, const Service& service)
      : kind_(kind), call_(call), service_(service), reader_(call.tools.calls()) {}

  std::string Whole(const GenerateResult& result, double waited_ms) const;
  // Of a call without a prompt: "load" or "unload".
  std::string NoAnswer(const char* done_reason) const;

  std::string ContentType() const override { return "application/x-ndjson"; }
  std::string Begin() override { return ""; }
  std::string Text(size_t choice, const std::string& text) override;
  std::string End(size_t, const GenerateResult&) override { return ""; }
  // With the log-probabilities of the whole answer, where they were asked for.
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;

 private:
  Json Line(const ToolAnswer& answer, bool done) const;
  Json Last(const ToolAnswer& answer, const GenerateResult& result, double waited_ms) const;

  const OllamaKind kind_;
  const OllamaCall& call_;
  const Service& service_;
  ToolAnswerReader reader_;
  size_t calls_told_ = 0;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

std::string OllamaErrorText(const Refusal& refusal);

}  // namespace gemma3n::server
