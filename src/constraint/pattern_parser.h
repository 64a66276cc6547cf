// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "constraint/automaton.h"
#include "constraint/code_points.h"

namespace gemma3n {

// A regular expression as a tree, in one list: parts come before what they are parts of.
struct PatternTree {
  enum class Kind { kSet, kBegin, kEnd, kSequence, kChoice, kRepeat };
  struct Node {
    Kind kind;
    CodePoints set = {};               // kSet: one of these
    std::vector<uint32_t> parts = {};  // kSequence, kChoice, kRepeat: one
    uint32_t least = 0, most = 0;      // kRepeat; Automaton::kNoLimit: any number
  };
  std::vector<Node> nodes;
  uint32_t root = 0;
};

// Throws Error (kRequest) at the builder's place, with the byte of the pattern.
PatternTree ParsePattern(std::string_view pattern, const AutomatonBuilder& builder);

}  // namespace gemma3n
