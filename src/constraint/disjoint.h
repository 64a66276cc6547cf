// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "constraint/automaton.h"
#include "constraint/schema_tree.h"

namespace gemma3n {

// oneOf is read as anyOf where no answer that one branch lets through satisfies another one: their
// types differ, or their constants, or those of a property that both require, or one requires what
// the other never writes. `alone`: no schema beside the choice has a say in objects, so that what a
// branch does not name is not written. Throws Error (kRequest) where that is not known.
void CheckDisjoint(const SchemaTree& tree, const SchemaNode::Choice& choice, bool alone,
                   AutomatonBuilder& builder);

}  // namespace gemma3n
