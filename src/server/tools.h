// SPDX-License-Identifier: Apache-2.0
// Functions that an answer may call, whatever the dialect. Gemma 3n has no tokens for them: they
// are declared in the system text, a call is a JSON list in the answer, results are a user's turn.
// All of it stands in the prompt as text: no name or result can be a control token.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/constraint.h"
#include "gemma3n/content.h"
#include "server/json.h"

namespace gemma3n::server {

constexpr size_t kMostTools = 128;

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // a JSON schema of an object; empty: an object without members
  bool strict = false;     // arguments hold to it
  std::string path;        // of the request's field, such as "tools[0].function"
};

enum class ToolChoice { kNone, kAuto, kRequired };

struct ToolUse {
  std::vector<Tool> tools;
  ToolChoice choice = ToolChoice::kAuto;
  std::vector<std::string> allowed;  // names that may be called; empty: all
  bool parallel = true;              // several calls in one answer
  // What an answer is that calls nothing, where it need not (kAuto): JSON that holds to this
  // schema; empty: any text. And the path of the request's field that says so.
  std::string otherwise = {}, otherwise_path = {};

  bool calls() const { return !tools.empty() && choice != ToolChoice::kNone; }
  bool Has(std::string_view name) const;
  bool Allows(const std::string& name) const;  // of a declared one
};

// What a function may be called: 1 to 64 of [A-Za-z0-9_-], as OpenAI has it, or as Google has it up
// to 128, also with dots and colons.
enum class NameRule { kNarrow, kWide };
// {"name", "description", "parameters", "strict"}; name and type of the parameters are checked.
// Throws Refusal (kInvalidValue, kMissing, kInvalidJsonSchema).
Tool ReadTool(const Field& function, NameRule rule = NameRule::kNarrow);
// For dialects that write it otherwise: throws Refusal (kInvalidValue); `path` leads to the name.
void CheckToolName(const std::string& name, const std::string& path,
                   NameRule rule = NameRule::kNarrow);
// Throws Refusal (kInvalidValue) past 128 tools and for a name that is there already.
void AddTool(Tool tool, ToolUse& use);
// The names that may be called, which must be of declared tools; throws Refusal (kInvalidValue).
void Allow(const std::string& name, const std::string& path, ToolUse& use);

// What the system text says of the functions; empty where none may be called.
std::string DeclareTools(const ToolUse& use);
// The system text with the functions behind it.
std::string WithTools(const std::string& system, const ToolUse& use);

struct ToolCall {
  std::string id;  // the dialect's
  std::string name;
  std::string arguments;  // the JSON of an object
};
// Calls as an answer writes them.
std::string CallsText(std::span<const ToolCall> calls);
// What a function returned, as a part of a user's turn. A JSON value stands there as it is,
// anything else as a string.
std::string ResultText(const std::string& name, const std::string& content);

// Adds a turn, or to the last one where that has the same role: texts that meet become one, with an
// empty line between them.
void AddTurn(Turn turn, std::vector<Turn>& turns);

// What was compiled of late, for all requests.
ConstraintCache& Constraints();

// What the answer may be; null where no function may be called. Throws Refusal (kInvalidJsonSchema)
// with the path of the schema that cannot be held to.
std::shared_ptr<const Constraint> ToolConstraint(const ToolUse& use);

// The same of an answer that is JSON of this schema where it calls no function, which `use` is told
// of; `path` leads to the schema. Throws also where its values cannot be told from calls.
std::shared_ptr<const Constraint> FormConstraint(const std::string& schema, const std::string& path,
                                                 ToolUse& use);

// What `compile` gives. An Error of it, whose message begins with a JSON pointer, is thrown as
// Refusal (kInvalidJsonSchema) that leads to the same place below `path`.
std::shared_ptr<const Constraint> CompileSchema(
    const std::string& path, const std::function<std::shared_ptr<const Constraint>()>& compile);

}  // namespace gemma3n::server
