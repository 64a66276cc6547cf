// SPDX-License-Identifier: Apache-2.0
#include "server/tool_answer.h"

#include <utility>

#include "server/call.h"

namespace gemma3n::server {

ToolAnswer ToolAnswerReader::Push(std::string_view piece) {
  return may_call_ ? Take(reader_.Push(piece)) : ToolAnswer{.text = std::string(piece)};
}

ToolAnswer ToolAnswerReader::Finish() {
  if (!may_call_) return {};
  ToolAnswer answer = Take(reader_.Finish());
  answer.complete = reader_.complete();
  return answer;
}

ToolAnswer ToolAnswerReader::Take(std::vector<ToolEvent> events) {
  ToolAnswer answer;
  for (ToolEvent& event : events) {
    switch (event.kind) {
      case ToolEvent::Kind::kText:
        answer.text += event.text;
        break;
      case ToolEvent::Kind::kCallBegun:
        call_ = {.id = NewId("call_"), .name = std::move(event.text)};
        break;
      case ToolEvent::Kind::kArguments:
        call_.arguments += event.text;
        break;
      case ToolEvent::Kind::kCallEnded:
        answer.calls.push_back(std::exchange(call_, {}));
        break;
    }
  }
  return answer;
}

ToolAnswer ReadToolAnswer(std::string_view text, bool may_call) {
  ToolAnswerReader reader(may_call);
  ToolAnswer answer = reader.Push(text), rest = reader.Finish();
  answer.text += rest.text;
  answer.complete = rest.complete;
  for (ToolCall& call : rest.calls) answer.calls.push_back(std::move(call));
  return answer;
}

}  // namespace gemma3n::server
