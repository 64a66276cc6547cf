// SPDX-License-Identifier: Apache-2.0
#include "server/openai/functions.h"

#include <nlohmann/json.hpp>

#include "server/call.h"
#include "server/openai/answer.h"
#include "server/refusal.h"

namespace gemma3n::server {
namespace {

// The function of a tool or of a choice.
Field FunctionOf(const Field& tool, Spelling spelling) {
  const Field type = tool["type"];
  if (type.Text() != "function") {
    CannotDo(type, "only functions are served, found '" + Shown(type.Text()) + "'");
  }
  return spelling == Spelling::kFlat ? tool : tool["function"];
}

void ReadAllowed(const Field& choice, Spelling spelling, ToolUse& use) {
  const Field allowed = spelling == Spelling::kFlat ? choice : choice["allowed_tools"];
  const auto mode = allowed["mode"].Word({"auto", "required"});
  if (!mode) allowed["mode"].Text();  // complains
  use.choice = *mode == "required" ? ToolChoice::kRequired : ToolChoice::kAuto;
  const Field tools = allowed["tools"];
  for (const Field& tool : tools.Items(kMostTools)) {
    const Field name = FunctionOf(tool, spelling)["name"];
    Allow(name.Text(), name.path(), use);
  }
  if (use.allowed.empty()) Expected(tools, "a function at least");
}

void ReadChoice(const Field& choice, Spelling spelling, ToolUse& use) {
  if (!choice.present()) return;
  if (choice.is_text()) {
    const std::string word = *choice.Word({"none", "auto", "required"});
    use.choice = word == "none"   ? ToolChoice::kNone
                 : word == "auto" ? ToolChoice::kAuto
                                  : ToolChoice::kRequired;
    if (word == "required" && use.tools.empty()) Expected(choice, "tools to choose from");
    return;
  }
  const Field type = choice["type"];
  if (type.Text() == "allowed_tools") return ReadAllowed(choice, spelling, use);
  const Field name = FunctionOf(choice, spelling)["name"];
  Allow(name.Text(), name.path(), use);
  use.choice = ToolChoice::kRequired;
  use.parallel = false;
}

}  // namespace

ToolUse ReadTools(const Field& body, Spelling spelling) {
  ToolUse use;
  use.parallel = body["parallel_tool_calls"].Flag(true);
  const Field tools = body["tools"];
  if (tools.present()) {
    for (const Field& tool : tools.Items(kMostTools)) {
      AddTool(ReadTool(FunctionOf(tool, spelling)), use);
    }
  }
  ReadChoice(body["tool_choice"], spelling, use);
  return use;
}

ToolUse ReadOldFunctions(const Field& body) {
  ToolUse use;
  use.parallel = false;
  const Field functions = body["functions"], choice = body["function_call"];
  if (functions.present()) {
    for (const Field& function : functions.Items(kMostTools)) AddTool(ReadTool(function), use);
  }
  if (choice.is_text()) {
    use.choice = *choice.Word({"none", "auto"}) == "none" ? ToolChoice::kNone : ToolChoice::kAuto;
  } else if (choice.present()) {
    Allow(choice["name"].Text(), choice["name"].path(), use);
    use.choice = ToolChoice::kRequired;
  }
  return use;
}

AnswerForm ReadAnswerForm(const Field& format, Spelling spelling) {
  if (!format.present()) return {};
  const Field type = format["type"];
  const auto word = type.Word({"text", "json_object", "json_schema"});
  if (!word) type.Text();  // complains
  if (*word == "text") return {};
  if (*word == "json_object") {
    return {.schema = R"({"type": "object"})",
            .path = format.path(),
            .instruction = "Answer with a JSON object and nothing else."};
  }
  const Field holder = spelling == Spelling::kFlat ? format : format["json_schema"];
  CheckToolName(holder["name"].Text(), holder["name"].path());
  holder["strict"].Flag(false);  // answers are held to the schema either way
  const Field schema = holder["schema"], description = holder["description"];
  if (!schema.present()) {
    throw Refusal(Reason::kMissing, schema.path() + ": expected a JSON schema", schema.path());
  }
  AnswerForm form{.schema = JsonLine(schema.json()), .path = schema.path()};
  form.instruction = "Answer with JSON that holds to this schema, and nothing else";
  if (description.present()) form.instruction += " (" + description.Text() + ")";
  form.instruction += ":\n" + form.schema;
  return form;
}

std::shared_ptr<const Constraint> ConstraintOf(ToolUse& tools, const AnswerForm& form) {
  if (form.schema.empty()) return ToolConstraint(tools);
  return FormConstraint(form.schema, form.path, tools);
}

std::string SystemText(const std::string& system, const ToolUse& tools, const AnswerForm& form) {
  std::string text = WithTools(system, tools);
  const bool calls = tools.calls();
  if (form.instruction.empty() || (calls && tools.choice == ToolChoice::kRequired)) return text;
  return text + (text.empty() ? "" : "\n\n") + (calls ? "Where you call no function: " : "") +
         form.instruction;
}

}  // namespace gemma3n::server
