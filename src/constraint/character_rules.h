// SPDX-License-Identifier: Apache-2.0
// A character of a JSON string, in each way it may be written: as it is in UTF-8, by a short escape
// such as \n, or by \u00e9, in two halves beyond U+FFFF.
#pragma once

#include <map>
#include <span>

#include "constraint/automaton.h"
#include "constraint/code_points.h"

namespace gemma3n {

class CharacterRules {
 public:
  explicit CharacterRules(AutomatonBuilder& builder) : builder_(builder) {}

  // Reads one character of the set, which is not empty.
  RuleId Of(const CodePoints& set);

 private:
  void AddPlain(CodePoints::Range range, StateId from, StateId to);
  void AddHex(uint32_t low, uint32_t high, StateId from, StateId to);
  void AddPairs(CodePoints::Range range, StateId from, StateId to);

  AutomatonBuilder& builder_;
  std::map<CodePoints, RuleId> rules_;
};

}  // namespace gemma3n
