// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "constraint/compiled_constraint.h"
#include "constraint/walker.h"
#include "gemma3n/error.h"

namespace gemma3n {

// Whether the whole text is one that the constraint lets through.
inline bool Accepts(const Constraint& constraint, std::string_view text) {
  Walker walker(dynamic_cast<const CompiledConstraint&>(constraint).automaton());
  Walker::Place place = walker.Start();
  for (char byte : text) place = walker.Step(place, static_cast<uint8_t>(byte));
  return walker.MayEnd(place);
}

inline bool Accepts(std::string_view schema, std::string_view text) {
  return Accepts(*Constraint::FromJsonSchema(schema), text);
}

// The message a schema is refused with; empty: it is taken.
inline std::string Refusal(std::string_view schema, const ConstraintLimits& limits = {}) {
  try {
    Constraint::FromJsonSchema(schema, limits);
    return "";
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kRequest ? error.what() : "not a request's error";
  }
}

}  // namespace gemma3n
