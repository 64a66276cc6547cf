// SPDX-License-Identifier: Apache-2.0
// Answers of OpenAI's Responses -> JSON, whole or as a stream of events.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/answer_stream.h"
#include "server/openai/response_request.h"
#include "server/tool_call_reader.h"

namespace gemma3n::server {

class ResponseWriter : public StreamWriter {
 public:
  // The answer is kept in `store`, where that is asked for, before its end is told.
  ResponseWriter(const ResponseCall& call, const Service& service, ResponseStore& store);

  const std::string& id() const { return id_; }
  // What it is until it ends.
  std::string Begun() const;
  std::string Whole(const GenerateResult& result);

  std::string ContentType() const override { return "text/event-stream; charset=utf-8"; }
  std::string Begin() override;
  std::string Text(size_t choice, const std::string& text) override;
  std::string End(size_t choice, const GenerateResult& result) override;
  std::string Finish(const std::vector<GenerateResult>& results, double waited_ms) override;
  std::string Failure(const Refusal& refusal) override;
  std::string Ping() override { return ": ping\n\n"; }

 private:
  // A message or a call, as far as it has come.
  struct Item {
    bool is_call = false;
    std::string id = {}, call_id = {}, name = {};
    std::string text = {};  // or arguments
    std::vector<TokenLogprob> logprobs = {};
    std::string status = "in_progress";
  };
  Json Response(const std::string& status) const;
  Json ItemJson(const Item& item) const;
  Json PartJson(const Item& item) const;
  // With the item's place.
  std::string ItemEvent(const char* type, Json fields);
  std::string Event(const char* type, Json fields);
  std::string Read(const std::vector<ToolEvent>& events);
  std::string Open(Item item);
  std::string AddText(const std::string& text);
  std::string AddArguments(const std::string& text);
  std::string Close(const char* status);
  std::vector<ToolEvent> Events(const std::string& text);
  // The response as it has ended, kept.
  Json Ended(const GenerateResult& result);
  void Keep(const Json& response);

  const ResponseCall& call_;
  const Service& service_;
  ResponseStore& store_;
  const std::string id_;
  const int64_t created_;
  int64_t sequence_ = 0;
  ToolCallReader reader_;
  std::vector<Item> items_;
};

}  // namespace gemma3n::server
