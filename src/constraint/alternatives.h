// SPDX-License-Identifier: Apache-2.0
// What a value must satisfy, without $ref, allOf, anyOf and oneOf: one of several alternatives,
// each of them some nodes of a schema whose other keywords all hold.
#pragma once

#include <vector>

#include "constraint/automaton.h"
#include "constraint/schema_tree.h"

namespace gemma3n {

using Alternative = std::vector<SchemaId>;  // sorted

// Of values that satisfy all these schemas. Throws Error (kRequest) where oneOf has branches that
// are not known to exclude each other, and beyond the builder's limits.
std::vector<Alternative> AlternativesOf(const SchemaTree& tree, const std::vector<SchemaId>& all,
                                        AutomatonBuilder& builder);

// What the nodes of an alternative say together.
uint8_t TypesOf(const SchemaTree& tree, const Alternative& alternative);
// Of enum and const; nothing where there are none.
std::optional<std::vector<JsonValue>> ValuesOf(const SchemaTree& tree,
                                               const Alternative& alternative);
uint8_t TypeOfValue(const JsonValue& value);

}  // namespace gemma3n
