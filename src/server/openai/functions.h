// SPDX-License-Identifier: Apache-2.0
// Functions that may be called and the form that an answer has, as chats (nested) and responses
// (flat) write them.
#pragma once

#include <memory>
#include <string>

#include "server/json.h"
#include "server/tools.h"

namespace gemma3n::server {

enum class Spelling { kNested, kFlat };

// tools, tool_choice and parallel_tool_calls. Throws Refusal.
ToolUse ReadTools(const Field& body, Spelling spelling);
// functions and function_call, as they were called before; nothing where neither is there.
ToolUse ReadOldFunctions(const Field& body);

struct AnswerForm {
  std::string schema = {}, path = {};  // of JSON, and of the field that has it; empty: any text
  std::string instruction = {};        // for the system text; empty: none
};
// {"type": "text", "json_object" or "json_schema", ...}. Throws Refusal, but not for a schema that
// cannot be held to.
AnswerForm ReadAnswerForm(const Field& format, Spelling spelling);

// Both together: what the answer may be, and the system text with all that it takes. An answer that
// may call functions and calls none has the form. Throws Refusal where that cannot be told from
// calls.
std::shared_ptr<const Constraint> ConstraintOf(ToolUse& tools, const AnswerForm& form);
std::string SystemText(const std::string& system, const ToolUse& tools, const AnswerForm& form);

}  // namespace gemma3n::server
