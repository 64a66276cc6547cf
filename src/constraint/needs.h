// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "constraint/automaton.h"

namespace gemma3n {

// Fills State::need and Counter::loop_need: how many levels of nesting it takes at least to come
// from a state to the end of its rule, kImpossible where there is no way. A walk that never enters
// a state that needs more levels than are left can always be completed.
void FindNeeds(Automaton& automaton);

}  // namespace gemma3n
