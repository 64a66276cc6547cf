// SPDX-License-Identifier: Apache-2.0
#include "constraint/object_members.h"

#include <algorithm>
#include <map>
#include <set>

namespace gemma3n {

ObjectMembers MembersOf(const SchemaTree& tree, const Alternative& alternative) {
  ObjectMembers object;
  std::map<std::string_view, size_t> places;
  const auto member = [&](std::string_view name) -> ObjectMembers::Member& {
    const auto [entry, is_new] = places.emplace(name, object.members.size());
    if (is_new) object.members.push_back({name, {}, false});
    return object.members[entry->second];
  };
  bool names_some = false, lets_others = true;
  std::vector<SchemaId> others;
  for (SchemaId id : alternative) {
    const SchemaNode& node = tree[id];
    names_some = names_some || node.has_properties;
    for (const auto& [name, schema] : node.properties) member(name).all.push_back(schema);
    if (!node.additional) continue;
    object.says_others = true;
    others.push_back(*node.additional);
    lets_others = lets_others && !tree[*node.additional].nothing;
  }
  for (SchemaId id : alternative) {
    for (std::string_view name : tree[id].required) member(name).required = true;
  }
  // What one node does not name is a further member to it.
  for (SchemaId id : alternative) {
    const SchemaNode& node = tree[id];
    if (!node.additional) continue;
    std::set<std::string_view> named;
    for (const auto& [name, schema] : node.properties) named.insert(name);
    for (ObjectMembers::Member& each : object.members) {
      if (named.count(each.name) == 0) each.all.push_back(*node.additional);
    }
  }
  for (ObjectMembers::Member& each : object.members) {
    std::sort(each.all.begin(), each.all.end());
    each.all.erase(std::unique(each.all.begin(), each.all.end()), each.all.end());
  }
  if (object.says_others ? lets_others : !names_some) object.others = std::move(others);
  return object;
}

}  // namespace gemma3n
