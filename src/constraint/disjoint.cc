// SPDX-License-Identifier: Apache-2.0
#include "constraint/disjoint.h"

#include <algorithm>
#include <set>

#include "constraint/alternatives.h"
#include "constraint/object_members.h"

namespace gemma3n {
namespace {

constexpr int kMostDepth = 8;  // of properties in properties that are compared

class Comparison {
 public:
  Comparison(const SchemaTree& tree, bool alone, AutomatonBuilder& builder)
      : tree_(tree), alone_(alone), builder_(builder) {}

  // Whether no value that is written for `written` satisfies `other`.
  bool Excludes(const std::vector<SchemaId>& written, const std::vector<SchemaId>& other,
                int depth) {
    if (depth > kMostDepth) return false;
    const std::vector<Alternative> ours = AlternativesOf(tree_, written, builder_);
    const std::vector<Alternative> theirs = AlternativesOf(tree_, other, builder_);
    return std::all_of(ours.begin(), ours.end(), [&](const Alternative& a) {
      return std::all_of(theirs.begin(), theirs.end(), [&](const Alternative& b) {
        builder_.CheckTime();
        return ExcludesOne(a, b, depth);
      });
    });
  }

 private:
  bool ExcludesOne(const Alternative& written, const Alternative& other, int depth) {
    const auto ours = ValuesOf(tree_, written), theirs = ValuesOf(tree_, other);
    const uint8_t our_types = TypesOf(tree_, written) & TypesOfValues(ours);
    const uint8_t their_types = TypesOf(tree_, other) & TypesOfValues(theirs);
    const uint8_t shared = our_types & their_types;
    if (shared == 0) return true;
    if (ours && theirs && !ShareValue(*ours, *theirs)) return true;
    return shared == kObjectType && !ours && !theirs && ExcludesObjects(written, other, depth);
  }

  bool ExcludesObjects(const Alternative& written, const Alternative& other, int depth) {
    const ObjectMembers ours = MembersOf(tree_, written), theirs = MembersOf(tree_, other);
    const auto find = [](const ObjectMembers& object, std::string_view name) {
      return std::find_if(object.members.begin(), object.members.end(),
                          [&](const auto& member) { return member.name == name; });
    };
    const bool writes_no_others = !ours.others && (alone_ || ours.says_others);
    for (const ObjectMembers::Member& member : theirs.members) {
      if (!member.required) continue;
      const auto same = find(ours, member.name);
      if (same == ours.members.end() ? writes_no_others
                                     : Excludes(same->all, member.all, depth + 1)) {
        return true;
      }
    }
    for (const ObjectMembers::Member& member : ours.members) {
      if (!member.required) continue;
      const auto same = find(theirs, member.name);
      // What is not said about further members lets all of them through.
      if (same == theirs.members.end() ? theirs.says_others && !theirs.others
                                       : Excludes(member.all, same->all, depth + 1)) {
        return true;
      }
    }
    return false;
  }

  static uint8_t TypesOfValues(const std::optional<std::vector<JsonValue>>& values) {
    if (!values) return kAnyType;
    uint8_t types = 0;
    for (const JsonValue& value : *values) types |= TypeOfValue(value);
    return types;
  }

  static bool ShareValue(const std::vector<JsonValue>& a, const std::vector<JsonValue>& b) {
    std::set<std::string> texts;
    for (const JsonValue& value : a) {
      // 1 and 1.0 are equal, and objects in any order of their members.
      if (value.IsNumber() || value.IsArray() || value.IsObject()) return true;
      texts.insert(value.Dump());
    }
    return std::any_of(b.begin(), b.end(),
                       [&](const JsonValue& value) { return texts.count(value.Dump()) > 0; });
  }

  const SchemaTree& tree_;
  const bool alone_;
  AutomatonBuilder& builder_;
};

}  // namespace

void CheckDisjoint(const SchemaTree& tree, const SchemaNode::Choice& choice, bool alone,
                   AutomatonBuilder& builder) {
  Comparison comparison(tree, alone, builder);
  for (size_t i = 0; i < choice.branches.size(); ++i) {
    for (size_t j = 0; j < choice.branches.size(); ++j) {
      if (i == j || comparison.Excludes({choice.branches[i]}, {choice.branches[j]}, 0)) continue;
      RefuseSchema(choice.place,
                   "branches " + std::to_string(std::min(i, j)) + " and " +
                       std::to_string(std::max(i, j)) +
                       " may both hold; give them types or a required constant that differ, or "
                       "use anyOf");
    }
  }
}

}  // namespace gemma3n
