// SPDX-License-Identifier: Apache-2.0
// Schemas -> rules of an automaton. Each set of schemas that one value must satisfy together is a
// rule; the values in it are calls, so that a schema that refers to itself is no loop here.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "constraint/alternatives.h"
#include "constraint/automaton.h"
#include "constraint/character_rules.h"
#include "constraint/object_members.h"
#include "constraint/schema_tree.h"
#include "constraint/text_language.h"

namespace gemma3n {

class SchemaCompiler {
 public:
  // All are borrowed.
  SchemaCompiler(const SchemaTree& tree, CharacterRules& characters, AutomatonBuilder& builder)
      : tree_(tree), characters_(characters), builder_(builder) {}

  // The rule of values that satisfy all these schemas; none: any value.
  RuleId RuleOf(std::vector<SchemaId> all);
  // Fills the rules that were asked for, and those they call. Throws Error (kRequest).
  void CompileAll();

 private:
  struct Open {
    std::vector<SchemaId> all;
    RuleId rule;
  };
  // A set of numbers that minItems and the like of several nodes leave.
  struct Counts {
    uint64_t least = 0, most = SchemaNode::kNoLimit;
  };
  Counts CountsOf(const Alternative& nodes, uint64_t SchemaNode::*least,
                  uint64_t SchemaNode::*most) const;
  uint32_t Limited(uint64_t count) const;

  void Compile(const Open& open);
  void AddAlternative(const Alternative& nodes, StateId start, StateId end);
  void AddValues(const std::vector<JsonValue>& values, const Alternative& nodes, StateId start,
                 StateId end);
  bool Fits(const JsonValue& value, const Alternative& nodes);
  void AddNumber(const Alternative& nodes, bool fractions, StateId start, StateId end);
  void AddString(const Alternative& nodes, StateId start, StateId end);
  TextLanguage LanguageOf(const Alternative& nodes);
  void AddArray(const Alternative& nodes, StateId start, StateId end);
  void AddItems(RuleId item, uint32_t least, uint32_t most, StateId from, StateId close);
  void AddObject(const Alternative& nodes, StateId start, StateId end);
  struct ObjectStates;
  void AddMember(const std::string& key, RuleId value, StateId from, StateId to);
  void AddOtherMembers(const ObjectMembers& object, const ObjectStates& states);

  const SchemaTree& tree_;
  CharacterRules& characters_;
  AutomatonBuilder& builder_;
  std::map<std::vector<SchemaId>, RuleId> rules_;
  std::deque<Open> open_;
  std::map<std::string, RuleId> numbers_;          // by the sets' names
  std::map<std::string, TextLanguage> languages_;  // of patterns and formats
};

// One schema; `place` is what pointers to it begin with. Throws Error (kRequest).
Automaton CompileSchema(std::string_view schema, const ConstraintLimits& limits,
                        const std::string& place = "");

// Reads exactly one of the texts, which are not empty.
void AddTexts(const std::vector<std::string>& texts, StateId from, StateId to,
              AutomatonBuilder& builder);

}  // namespace gemma3n
