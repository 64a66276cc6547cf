// SPDX-License-Identifier: Apache-2.0
// Regular expressions as JSON Schema has them (ECMA-262), as far as they are regular: no look
// around, no references back, no \b. They are searched for, not matched, in a string; time and
// memory are linear in their size.
#pragma once

#include <string_view>

#include "constraint/text_language.h"

namespace gemma3n {

// The strings in which the pattern is found. Throws Error (kRequest) at the builder's place for
// what is not supported, and beyond its limits.
TextLanguage PatternLanguage(std::string_view pattern, AutomatonBuilder& builder);

}  // namespace gemma3n
