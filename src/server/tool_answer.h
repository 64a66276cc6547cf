// SPDX-License-Identifier: Apache-2.0
// Answers with calls, for dialects that tell of a call when it is whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/tool_call_reader.h"
#include "server/tools.h"

namespace gemma3n::server {

struct ToolAnswer {
  std::string text;
  std::vector<ToolCall> calls;
  bool complete = true;  // else the last call was cut short, and is left out
};

// Where no function may be called, every text is text.
class ToolAnswerReader {
 public:
  explicit ToolAnswerReader(bool may_call) : may_call_(may_call) {}
  // What this piece of the answer brings.
  ToolAnswer Push(std::string_view piece);
  ToolAnswer Finish();
  size_t calls() const { return reader_.calls(); }  // begun so far

 private:
  ToolAnswer Take(std::vector<ToolEvent> events);

  const bool may_call_;
  ToolCallReader reader_;
  ToolCall call_;  // under way
};

ToolAnswer ReadToolAnswer(std::string_view text, bool may_call);

}  // namespace gemma3n::server
