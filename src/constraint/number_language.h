// SPDX-License-Identifier: Apache-2.0
// Numbers within bounds, as the digits they are written with. Integers have up to 18 digits, other
// numbers up to 15 in all, so that no two of them are the same double: what is below a bound in
// decimals is below it in a reader's arithmetic, too.
#pragma once

#include <optional>
#include <string>

#include "constraint/alternatives.h"
#include "constraint/automaton.h"
#include "constraint/schema_tree.h"

namespace gemma3n {

// A number exactly as it is written.
struct Decimal {
  bool negative = false;
  std::string integer;   // without leading zeros; empty: 0
  std::string fraction;  // without trailing zeros

  static Decimal Parse(const std::string& json_number);
  bool IsZero() const { return integer.empty() && fraction.empty(); }
  std::string Text() const;
};
// Negative, 0 or positive as a is less than, equal to or greater than b.
int Compare(const Decimal& a, const Decimal& b);

struct NumberSet {
  struct Bound {
    Decimal value;
    bool exclusive;
  };
  bool fractions = true;  // else integers alone, without a point
  std::optional<Bound> least, most;
  int64_t multiple_of = 1;  // of integers alone

  bool Has(const JsonValue& number) const;
  std::string Name() const;  // the same for the same set
};

// Throws Error (kRequest) for bounds that cannot be told apart.
NumberSet NumberSetOf(const SchemaTree& tree, const Alternative& nodes, bool fractions);

// Reads one of the numbers.
void AddNumbers(const NumberSet& numbers, StateId from, StateId to, AutomatonBuilder& builder);

}  // namespace gemma3n
