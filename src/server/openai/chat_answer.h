// SPDX-License-Identifier: Apache-2.0
// Answers of chats -> JSON in OpenAI's dialect.
#pragma once

#include <string>
#include <vector>

#include "server/answer_stream.h"
#include "server/openai/request.h"
#include "server/tool_call_reader.h"

namespace gemma3n::server {

// Writes one call's answer, whole or as a stream; all chunks have the same id and time.
class ChatWriter : public StreamWriter {
 public:
  ChatWriter(const ChatCall& call, const Service& service);

  std::string Whole(const std::vector<GenerateResult>& results, double waited_ms);

  std::string ContentType() const override { return "text/event-stream; charset=utf-8"; }
  std::string Begin() override;
  // With the log-probabilities of the tokens whose text has come.
  std::string Text(size_t choice, const std::string& text) override;
  std::string End(size_t choice, const GenerateResult& result) override;
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;
  std::string Ping() override { return ": ping\n\n"; }

 private:
  Json Head(const char* object) const;
  // One choice with what is new of it.
  std::string Chunk(size_t choice, Json delta, Json logprobs, Json finish_reason) const;
  // Of the tokens whose text has come ; `all`: of the others, too. Null where
  // none are asked for, or none have come.
  Json LogprobsOf(size_t choice, bool all) const;
  // The frames of what a choice's text has brought; `more`: the bytes of it.
  std::string Frames(size_t choice, const std::vector<ToolEvent>& events, size_t more);
  Json DeltaOf(const ToolEvent& event);
  std::vector<ToolEvent> Read(size_t choice, const std::string& text);
  Json Message(const GenerateResult& result, std::string& finish_reason) const;

  const ChatCall& call_;
  const Service& service_;
  const std::string id_, fingerprint_;
  const int64_t created_;
  std::vector<ToolCallReader> readers_;  // of each choice
};

}  // namespace gemma3n::server
