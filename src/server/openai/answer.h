// SPDX-License-Identifier: Apache-2.0
// Answers -> JSON in OpenAI's dialect.
#pragma once

#include <string>
#include <vector>

#include "server/answer_stream.h"
#include "server/chat.h"
#include "server/openai/request.h"
#include "server/refusal.h"

namespace gemma3n::server {

enum class OpenAiKind { kChat, kCompletion };

// Writes one call's answer, whole or as a stream; all chunks have the same id and time.
class OpenAiWriter : public StreamWriter {
 public:
  OpenAiWriter(OpenAiKind kind, const OpenAiCall& call, const Service& service);

  std::string Whole(const std::vector<GenerateResult>& results, double waited_ms) const;

  std::string ContentType() const override { return "text/event-stream; charset=utf-8"; }
  std::string Begin() override;
  std::string Text(size_t choice, const std::string& text) override;
  // With the log-probabilities of the whole choice, where they were asked for.
  std::string End(size_t choice, const GenerateResult& result) override;
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;
  std::string Ping() override { return ": ping\n\n"; }

 private:
  const OpenAiKind kind_;
  const OpenAiCall& call_;
  const Service& service_;
  const std::string id_;
  const int64_t created_;
};

std::string ModelText(const Service& service, const std::string& name);
std::string ModelListText(const Service& service);
std::string ErrorText(const Refusal& refusal);

}  // namespace gemma3n::server
