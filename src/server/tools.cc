// SPDX-License-Identifier: Apache-2.0
#include "server/tools.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

// JSON as the declarations, earlier calls and results have it: on one line.
std::string Line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsOfName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

[[noreturn]] void RefuseSchema(const std::string& path, const std::string& why) {
  throw Refusal(Reason::kInvalidJsonSchema, path + ": " + why, path);
}

}  // namespace

bool ToolUse::Allows(const std::string& name) const {
  return allowed.empty() || std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

bool ToolUse::Has(std::string_view name) const {
  return std::any_of(tools.begin(), tools.end(),
                     [&](const Tool& tool) { return tool.name == name; });
}

void CheckToolName(const std::string& name, const std::string& path, NameRule rule) {
  const bool wide = rule == NameRule::kWide;
  const bool plain = std::all_of(name.begin(), name.end(), [wide](char c) {
    return IsOfName(c) || (wide && (c == '.' || c == ':'));
  });
  if (plain && !name.empty() && name.size() <= (wide ? 128 : 64)) return;
  throw Refusal(
      Reason::kInvalidValue,
      path + ": expected 1 to " +
          (wide ? "128 of letters, digits, _, -, . and :" : "64 of letters, digits, _ and -") +
          ", found '" + Shown(name) + "'",
      path);
}

Tool ReadTool(const Field& function, NameRule rule) {
  Tool tool;
  tool.path = function.path();
  const Field name = function["name"], description = function["description"];
  tool.name = name.Text();
  CheckToolName(tool.name, name.path(), rule);
  if (description.present()) tool.description = description.Text();
  const Field parameters = function["parameters"];
  if (parameters.present()) {
    if (!parameters.json().is_object()) RefuseSchema(parameters.path(), "expected a JSON schema");
    const Field type = parameters["type"];
    if (type.present() && !(type.is_text() && type.Text() == "object")) {
      RefuseSchema(type.path(), "expected 'object': arguments are one");
    }
    if (!parameters.json().empty()) tool.parameters = Line(parameters.json());
  }
  tool.strict = function["strict"].Flag(false);
  return tool;
}

void AddTool(Tool tool, ToolUse& use) {
  if (use.tools.size() >= kMostTools) {
    throw Refusal(Reason::kInvalidValue,
                  tool.path + ": expected at most " + std::to_string(kMostTools) + " functions",
                  tool.path);
  }
  if (use.Has(tool.name)) {
    throw Refusal(Reason::kInvalidValue,
                  tool.path + ".name: the function '" + tool.name + "' comes twice",
                  tool.path + ".name");
  }
  use.tools.push_back(std::move(tool));
}

void Allow(const std::string& name, const std::string& path, ToolUse& use) {
  if (!use.Has(name)) {
    throw Refusal(
        Reason::kInvalidValue,
        path + ": expected the name of a function that is declared, found '" + Shown(name) + "'",
        path);
  }
  use.allowed.push_back(name);
}

std::string DeclareTools(const ToolUse& use) {
  if (!use.calls()) return "";
  std::string text =
      "You can call the functions listed below. To call, answer with a JSON list of calls and "
      "nothing else:\n"
      R"([{"name": "FUNCTION", "parameters": {"ARGUMENT": VALUE}}])"
      "\n";
  text += use.parallel ? "The list may hold several calls. " : "The list holds one call. ";
  text += use.choice == ToolChoice::kRequired ? "Answer with a call now. "
          : use.otherwise.empty()
              ? "Where no function is of use, answer in plain text instead. "
              : "Where no function is of use, answer in JSON of another form instead. ";
  text += "What a function returned comes back in a block named tool_output.\n\nFunctions:\n";
  for (const Tool& tool : use.tools) {
    Json line = {{"name", tool.name}};
    if (!tool.description.empty()) line["description"] = tool.description;
    line["parameters"] = tool.parameters.empty()
                             ? Json{{"type", "object"}, {"properties", Json::object()}}
                             : ParseJson(tool.parameters);
    text += Line(line) + "\n";
  }
  text.pop_back();
  return text;
}

std::string WithTools(const std::string& system, const ToolUse& use) {
  const std::string tools = DeclareTools(use);
  return system + (system.empty() || tools.empty() ? "" : "\n\n") + tools;
}

std::string CallsText(std::span<const ToolCall> calls) {
  std::string text = "[";
  for (const ToolCall& call : calls) {
    text += (text.size() > 1 ? ", " : "") + std::string(R"({"name": )") + Line(call.name) +
            R"(, "parameters": )" + (call.arguments.empty() ? "{}" : call.arguments) + "}";
  }
  return text + "]";
}

std::string ResultText(const std::string& name, const std::string& content) {
  // Text that is JSON already is not quoted a second time.
  Json output = content;
  try {
    output = ParseJson(content);
  } catch (const Refusal&) {
  }
  return "```tool_output\n" + Line({{"name", name}, {"output", std::move(output)}}) + "\n```";
}

void AddTurn(Turn turn, std::vector<Turn>& turns) {
  if (turns.empty() || turns.back().role != turn.role) {
    turns.push_back(std::move(turn));
    return;
  }
  std::vector<Part>& parts = turns.back().parts;
  for (Part& part : turn.parts) {
    auto* const text = std::get_if<std::string>(&part.content);
    auto* const last = parts.empty() ? nullptr : std::get_if<std::string>(&parts.back().content);
    if (text != nullptr && last != nullptr && &part == &turn.parts.front()) {
      *last += (last->empty() || text->empty() ? "" : "\n\n") + *text;
    } else {
      parts.push_back(std::move(part));
    }
  }
}

}  // namespace gemma3n::server
