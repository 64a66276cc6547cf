// SPDX-License-Identifier: Apache-2.0
#include "constraint/tool_calls.h"

#include <algorithm>
#include <deque>
#include <set>

#include "base/utf8.h"
#include "constraint/schema_compiler.h"
#include "constraint/walker.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr size_t kMostTools = 128, kMostNameBytes = 128;
constexpr char kNoParameters[] = R"({"type": "object", "properties": {}})";
constexpr char kAnyObject[] = R"({"type": "object"})";
constexpr std::string_view kSpaces = " \t\n\r";
// How a call begins, with any white space before and between.
constexpr std::string_view kBeginning[] = {"[", "{", "\"name\"", ":"};
constexpr char kOther[] = "/otherwise";

std::string PlaceOf(size_t tool) {
  return "/" + std::to_string(tool);
}

void CheckTools(const std::vector<CallableTool>& tools) {
  if (tools.empty() || tools.size() > kMostTools) {
    throw Error(ErrorKind::kRequest, "tools: expected 1 to " + std::to_string(kMostTools) +
                                         ", found " + std::to_string(tools.size()));
  }
  std::set<std::string> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string &name = tools[i].name, place = PlaceOf(i) + "/name";
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
             c == '_' || c == '-' || c == '.' || c == ':';
    });
    if (name.empty() || name.size() > kMostNameBytes || !plain) {
      RefuseSchema(place,
                   "expected 1 to 128 letters, digits, _, -, . and :, found " + Quoted(name));
    }
    if (!names.insert(name).second) RefuseSchema(place, Quoted(name) + " stands twice");
  }
}

bool HasOther(const ToolCallOptions& options) {
  return !options.required && !options.otherwise.empty();
}

// Whoever reads the answer must know a call by its beginning.
void CheckOther(const std::string& schema, const ConstraintLimits& limits) {
  const Automaton automaton = CompileSchema(schema, limits, kOther);
  Walker walker(automaton);
  std::set<Walker::Place> places = {walker.Start()};
  for (std::string_view part : kBeginning) {
    std::set<Walker::Place> next;
    for (Walker::Place place : places) {
      // Before a part stands at most one space or new line (AutomatonBuilder::AddSpace).
      for (std::string_view before : {"", " ", "\n"}) {
        Walker::Place at = place;
        for (char c : before) at = walker.Step(at, static_cast<uint8_t>(c));
        for (char c : part) at = walker.Step(at, static_cast<uint8_t>(c));
        if (at != Walker::kDead) next.insert(at);
      }
    }
    places = std::move(next);
  }
  if (!places.empty()) {
    RefuseSchema(kOther, "a list of objects with a name cannot be told from calls of functions");
  }
}

// Calls of these tools; `held` says whose arguments are held to their schemas.
class CallGrammar {
 public:
  CallGrammar(const std::vector<CallableTool>& tools, const std::vector<bool>& held,
              const ToolCallOptions& options, const ConstraintLimits& limits)
      : tools_(tools), options_(options), builder_(limits), characters_(builder_) {
    for (size_t i = 0; i < tools.size(); ++i) {
      const std::string& schema = tools[i].parameters;
      SchemaTree& tree = trees_.emplace_back(!held[i]         ? kAnyObject
                                             : schema.empty() ? kNoParameters
                                                              : schema.c_str(),
                                             limits, PlaceOf(i) + "/parameters");
      tree.RequireObject();
      compilers_.emplace_back(tree, characters_, builder_);
    }
    if (HasOther(options)) {
      compilers_.emplace_back(trees_.emplace_back(options.otherwise, limits, kOther), characters_,
                              builder_);
    }
  }

  Automaton Build() {
    const RuleId root = builder_.NewRule(/*nests=*/true);
    const StateId start = builder_.StartOf(root), brace = builder_.NewState(),
                  named = builder_.NewState(), called = builder_.NewState(),
                  end = builder_.NewState();
    if (HasOther(options_)) {
      builder_.AddCall(start, compilers_.back().RuleOf({SchemaTree::kRoot}), end);
    }
    if (options_.required || HasOther(options_)) {
      builder_.AddFree(builder_.AddSpace(builder_.AddText(start, "[")), brace);
    } else {
      AddFreeText(start, named);
    }
    builder_.AddTextTo(builder_.AddSpace(builder_.AddText(brace, "{")), "\"name\":", named);
    builder_.AddCall(named, RestOfCall(), called);
    if (options_.parallel) {
      builder_.AddFree(builder_.AddSpace(builder_.AddText(called, ",")), brace);
    }
    builder_.AddTextTo(builder_.AddSpace(called), "]", end);
    builder_.SetAccepting(end);
    for (SchemaCompiler& compiler : compilers_) compiler.CompileAll();
    return builder_.Finish(root);
  }

 private:
  // What follows "name": up to the brace that ends the call.
  RuleId RestOfCall() {
    const RuleId rule = builder_.NewRule(/*nests=*/true);
    const StateId name = builder_.AddSpace(builder_.StartOf(rule)), end = builder_.NewState();
    const StateId close = builder_.AddSpace(end), last = builder_.NewState();
    for (size_t i = 0; i < tools_.size(); ++i) {
      builder_.SetPlace(PlaceOf(i));
      const StateId comma = builder_.AddText(name, "\"" + tools_[i].name + "\",");
      const StateId colon = builder_.AddText(builder_.AddSpace(comma), "\"parameters\":");
      builder_.AddCall(builder_.AddSpace(colon), compilers_[i].RuleOf({SchemaTree::kRoot}), end);
    }
    builder_.AddBytes(close, '}', '}', last);
    builder_.SetAccepting(last);
    return rule;
  }

  // Any text, until it has begun as a call does: [ { "name" : with any white space between.
  void AddFreeText(StateId start, StateId named) {
    const StateId free = builder_.NewState();
    builder_.SetAccepting(free);
    builder_.AddBytes(free, 0x00, 0xFF, free);
    StateId at = start;
    for (std::string_view part : kBeginning) {
      for (size_t i = 0; i < part.size(); ++i) {
        const bool is_last = part == ":";
        const StateId next = is_last ? named : builder_.NewState();
        builder_.SetAccepting(at);
        const auto byte = static_cast<uint8_t>(part[i]);
        builder_.AddBytes(at, byte, byte, next);
        AddOthers(at, byte, /*skips_spaces=*/i == 0, free);
        at = next;
      }
    }
  }

  void AddOthers(StateId at, uint8_t but, bool skips_spaces, StateId free) {
    for (int byte = 0; byte < 256; ++byte) {
      const auto each = static_cast<uint8_t>(byte);
      const bool space = kSpaces.find(static_cast<char>(each)) != std::string_view::npos;
      if (each != but) builder_.AddBytes(at, each, each, space && skips_spaces ? at : free);
    }
  }

  const std::vector<CallableTool>& tools_;
  const ToolCallOptions options_;
  AutomatonBuilder builder_;
  CharacterRules characters_;
  std::deque<SchemaTree> trees_;  // they stay where they are
  std::deque<SchemaCompiler> compilers_;
};

bool Compiles(const CallableTool& tool, const ConstraintLimits& limits) {
  try {
    CallGrammar({tool}, {true}, {}, limits).Build();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

// Arguments of tools that are not strict are held to their schemas where these compile: all
// together, else each by itself, else none.
Automaton CompileToolCalls(const std::vector<CallableTool>& tools, const ToolCallOptions& options,
                           const ConstraintLimits& limits) {
  CheckTools(tools);
  std::vector<bool> all(tools.size(), true), some, strict;
  for (const CallableTool& tool : tools) {
    if (tool.parameters.size() > limits.schema_bytes) {
      RefuseSchema(PlaceOf(strict.size()) + "/parameters",
                   "expected at most " + std::to_string(limits.schema_bytes) + " bytes of JSON");
    }
    strict.push_back(tool.strict);
  }
  if (HasOther(options)) CheckOther(options.otherwise, limits);
  try {
    return CallGrammar(tools, all, options, limits).Build();
  } catch (const Error&) {
    if (strict == all) throw;
  }
  for (const CallableTool& tool : tools) some.push_back(tool.strict || Compiles(tool, limits));
  if (some == strict) return CallGrammar(tools, strict, options, limits).Build();
  try {
    return CallGrammar(tools, some, options, limits).Build();
  } catch (const Error&) {
    return CallGrammar(tools, strict, options, limits).Build();
  }
}

}  // namespace gemma3n
