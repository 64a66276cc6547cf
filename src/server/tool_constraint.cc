// SPDX-License-Identifier: Apache-2.0
// Schemas of a request -> what the answer may be, and complaints that lead into the request.
#include <algorithm>

#include "gemma3n/error.h"
#include "server/refusal.h"
#include "server/tools.h"

namespace gemma3n::server {
namespace {

// "/0/parameters/properties/a: why" -> {"/0/parameters/properties/a", "why"}.
std::pair<std::string, std::string> SplitPointer(const std::string& message) {
  const size_t colon = message.find(": ");
  if (!message.starts_with("/") || colon == std::string::npos) return {"", message};
  return {message.substr(0, colon), message.substr(colon + 2)};
}

// "/properties/a/anyOf/0" -> ".properties.a.anyOf[0]".
std::string PathOfPointer(std::string_view pointer) {
  std::string path;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    const std::string_view step = pointer.substr(0, end);
    const bool is_index = !step.empty() && std::all_of(step.begin(), step.end(),
                                                       [](char c) { return c >= '0' && c <= '9'; });
    path += is_index ? "[" + std::string(step) + "]" : "." + Shown(step);
    pointer.remove_prefix(end);
  }
  return path;
}

[[noreturn]] void RefuseSchema(const std::string& path, const std::string& why) {
  throw Refusal(Reason::kInvalidJsonSchema, path + ": " + why, path);
}

}  // namespace

ConstraintCache& Constraints() {
  static ConstraintCache cache;
  return cache;
}

std::shared_ptr<const Constraint> ToolConstraint(const ToolUse& use) {
  if (!use.calls()) return nullptr;
  std::vector<CallableTool> callable;
  std::vector<std::string> paths;
  for (const Tool& tool : use.tools) {
    if (!use.Allows(tool.name)) continue;
    callable.push_back({tool.name, tool.parameters, tool.strict});
    paths.push_back(tool.path);
  }
  try {
    return Constraints().ToolCalls(callable, {.parallel = use.parallel,
                                              .required = use.choice == ToolChoice::kRequired,
                                              .otherwise = use.otherwise});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kRequest) throw;
    // The pointer begins with the tool's place, or with that of the other schema.
    const auto [pointer, why] = SplitPointer(error.what());
    const size_t end = std::min(pointer.find('/', 1), pointer.size());
    if (pointer.substr(0, end) == "/otherwise") {
      RefuseSchema(use.otherwise_path + PathOfPointer(pointer.substr(end)), why);
    }
    size_t index = paths.size();
    for (size_t i = 0; i < paths.size(); ++i) {
      if (pointer.substr(0, end) == "/" + std::to_string(i)) index = i;
    }
    RefuseSchema(index < paths.size() ? paths[index] + PathOfPointer(pointer.substr(end)) : "tools",
                 why);
  }
}

std::shared_ptr<const Constraint> FormConstraint(const std::string& schema, const std::string& path,
                                                 ToolUse& use) {
  std::shared_ptr<const Constraint> form =
      CompileSchema(path, [&] { return Constraints().FromJsonSchema(schema); });
  if (!use.calls()) return form;
  use.otherwise = schema;
  use.otherwise_path = path;
  return ToolConstraint(use);
}

std::shared_ptr<const Constraint> CompileSchema(
    const std::string& path, const std::function<std::shared_ptr<const Constraint>()>& compile) {
  try {
    return compile();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kRequest) throw;
    const auto [pointer, why] = SplitPointer(error.what());
    RefuseSchema(path + PathOfPointer(pointer), why);
  }
}

}  // namespace gemma3n::server
