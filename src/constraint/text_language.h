// SPDX-License-Identifier: Apache-2.0
// A set of strings by their characters, as a nondeterministic automaton: what a pattern or a format
// admits, before it is known how characters are written.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "constraint/automaton.h"
#include "constraint/character_rules.h"
#include "constraint/code_points.h"

namespace gemma3n {

struct TextLanguage {
  struct Edge {
    uint32_t from, to;
    CodePoints set;
  };
  struct Free {
    uint32_t from, to;
  };
  std::vector<bool> finals;  // [states]; the first one is the start
  std::vector<Edge> edges;
  std::vector<Free> frees;

  uint32_t NewState() {
    finals.push_back(false);
    return static_cast<uint32_t>(finals.size() - 1);
  }
  bool IsAny() const;  // as Any() makes it

  static TextLanguage Any();
  // All strings but these, which are valid UTF-8.
  static TextLanguage AllBut(std::span<const std::string_view> texts);
  // The strings of both. Throws what the builder throws beyond its limits.
  static TextLanguage Both(const TextLanguage& a, const TextLanguage& b, AutomatonBuilder& builder);

  // Whether `text`, valid UTF-8, is one of them.
  bool Has(std::string_view text) const;
};

// How many characters a string has.
struct TextLength {
  uint32_t least = 0, most = Automaton::kNoLimit;
};

// Reads the characters of a string of the language between `from` and `to`, without its quotes.
void AddCharacters(const TextLanguage& language, const TextLength& length, StateId from, StateId to,
                   CharacterRules& characters, AutomatonBuilder& builder);

}  // namespace gemma3n
