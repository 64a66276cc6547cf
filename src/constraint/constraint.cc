// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/constraint.h"

#include "constraint/compiled_constraint.h"
#include "constraint/schema_compiler.h"
#include "constraint/tool_calls.h"

namespace gemma3n {

std::shared_ptr<const Constraint> Constraint::FromJsonSchema(std::string_view schema,
                                                             const ConstraintLimits& limits) {
  return std::make_shared<CompiledConstraint>(CompileSchema(schema, limits));
}

std::shared_ptr<const Constraint> Constraint::JsonObject() {
  return FromJsonSchema(R"({"type": "object"})");
}

std::shared_ptr<const Constraint> Constraint::OneOf(const std::vector<std::string>& texts,
                                                    const ConstraintLimits& limits) {
  AutomatonBuilder builder(limits);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) RefuseSchema("/" + std::to_string(i), "expected a text, found none");
  }
  const RuleId root = builder.NewRule(/*nests=*/false);
  const StateId end = builder.NewState();
  builder.SetAccepting(end);
  AddTexts(texts, builder.StartOf(root), end, builder);
  return std::make_shared<CompiledConstraint>(builder.Finish(root));
}

std::shared_ptr<const Constraint> Constraint::ToolCalls(const std::vector<CallableTool>& tools,
                                                        const ToolCallOptions& options,
                                                        const ConstraintLimits& limits) {
  return std::make_shared<CompiledConstraint>(CompileToolCalls(tools, options, limits));
}

}  // namespace gemma3n
