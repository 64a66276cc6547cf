// SPDX-License-Identifier: Apache-2.0
// What each keyword of a schema means for its node, and which keywords are not supported.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "constraint/schema_tree.h"

namespace gemma3n {

struct KeywordContext {
  SchemaNode& node;
  const std::function<SchemaId(const JsonValue& value, const std::string& place)> add;
  const std::function<void(const std::string& ref)> refer;
  const ConstraintLimits& limits;
  bool is_root;
};

// Throws Error (kRequest) for a value that the keyword cannot have, for a keyword that is not
// supported or not known.
void ReadKeyword(std::string_view key, const JsonValue& value, const KeywordContext& context);

}  // namespace gemma3n
