// SPDX-License-Identifier: Apache-2.0
// The members an object is written with, by all nodes that speak of it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "constraint/alternatives.h"

namespace gemma3n {

struct ObjectMembers {
  struct Member {
    std::string_view name;
    std::vector<SchemaId> all;  // that its value satisfies
    bool required;
  };
  std::vector<Member> members;  // in the order the schema has them
  // What members of other names satisfy; nothing: there are none.
  std::optional<std::vector<SchemaId>> others;
  bool says_others = false;  // by additionalProperties
};

// Members that are not named are written where additionalProperties lets them, or where no member
// is named at all.
ObjectMembers MembersOf(const SchemaTree& tree, const Alternative& alternative);

}  // namespace gemma3n
