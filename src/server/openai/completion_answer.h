// SPDX-License-Identifier: Apache-2.0
// Answers of completions -> JSON in OpenAI's dialect.
#pragma once

#include <string>
#include <vector>

#include "server/answer_stream.h"
#include "server/openai/request.h"

namespace gemma3n::server {

// Writes one call's answer, whole or as a stream; all chunks have the same id and time.
class CompletionWriter : public StreamWriter {
 public:
  CompletionWriter(const CompletionCall& call, const Service& service);

  std::string Whole(const std::vector<GenerateResult>& results, double waited_ms) const;

  std::string ContentType() const override { return "text/event-stream; charset=utf-8"; }
  std::string Begin() override;
  std::string Text(size_t choice, const std::string& text) override;
  std::string End(size_t choice, const GenerateResult& result) override;
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;
  std::string Ping() override { return ": ping\n\n"; }

 private:
  Json Head() const;
  Json Logprobs(size_t prompt, const GenerateResult& result) const;
  void AddPrompt(size_t prompt, const std::vector<TokenLogprob>& tokens,
                 CompletionLogprobs& logprobs) const;
  // The choices of a prompt that are given, best first: all, or the best of them.
  std::vector<size_t> Chosen(size_t prompt, const std::vector<GenerateResult>& results) const;
  std::string Chunk(size_t choice, const std::string& text, Json logprobs,
                    Json finish_reason) const;
  // The chunk with a scored prompt, before the first of its answer's: only then are its scores
  // known.
  std::string Prompt(size_t choice);
  // Those of tokens that are whole in so many bytes more; at the `end` those that are left, too.
  Json LogprobsOf(size_t choice, size_t bytes, const GenerateResult* end = nullptr);

  const CompletionCall& call_;
  const Service& service_;
  const std::string id_, fingerprint_;
  const int64_t created_;
  std::vector<CompletionLogprobs> told_;  // of each choice of a stream
  std::vector<bool> prompt_told_;         // the same, of those whose prompt is scored
};

}  // namespace gemma3n::server
