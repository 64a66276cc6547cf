// SPDX-License-Identifier: Apache-2.0
// Answers -> JSON in OpenAI's dialect.
#pragma once

#include <string>
#include <vector>

#include "server/chat.h"
#include "server/openai_request.h"
#include "server/refusal.h"

namespace gemma3n::server {

enum class OpenAiKind { kChat, kCompletion };

// Writes one call's answer, whole or in chunks; all have the same id and time.
class OpenAiWriter {
 public:
  OpenAiWriter(OpenAiKind kind, const OpenAiCall& call, const Service& service);

  std::string Whole(const std::vector<GenerateResult>& results, double waited_ms) const;

  std::vector<std::string> FirstChunks() const;
  std::string TextChunk(size_t choice, const std::string& text) const;
  // With the log-probabilities of the whole choice, where they were asked for.
  std::string EndChunk(size_t choice, const GenerateResult& result) const;
  std::string UsageChunk(const std::vector<GenerateResult>& results, double waited_ms) const;

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
