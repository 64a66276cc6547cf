// SPDX-License-Identifier: Apache-2.0
#include "constraint/alternatives.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "constraint/disjoint.h"

namespace gemma3n {
namespace {

// An alternative in the making.
struct Partial {
  std::vector<SchemaId> open;
  std::set<SchemaId> seen;
};

// Two enums of one value: those of the one that are also in the other.
void KeepCommon(const std::vector<JsonValue>& others, std::vector<JsonValue>& values) {
  std::set<std::string> texts;
  for (const JsonValue& other : others) texts.insert(other.Dump());
  std::erase_if(values, [&](const JsonValue& value) { return texts.count(value.Dump()) == 0; });
}

bool SpeaksOfObjects(const SchemaNode& node) {
  return node.has_properties || !node.required.empty() || node.additional;
}

}  // namespace

std::vector<Alternative> AlternativesOf(const SchemaTree& tree, const std::vector<SchemaId>& all,
                                        AutomatonBuilder& builder) {
  std::vector<Alternative> found;
  std::set<Alternative> known;
  std::vector<Partial> work = {{all, {}}};
  while (!work.empty()) {
    Partial partial = std::move(work.back());
    work.pop_back();
    bool possible = true, whole = true;
    while (possible && whole && !partial.open.empty()) {
      builder.CheckTime();
      const SchemaId id = partial.open.back();
      partial.open.pop_back();
      const SchemaNode& node = tree[id];
      if (!partial.seen.insert(id).second) continue;
      possible = !node.nothing;
      if (node.ref) partial.open.push_back(*node.ref);
      partial.open.insert(partial.open.end(), node.all_of.begin(), node.all_of.end());
      if (node.choices.empty()) continue;
      const bool alone = partial.open.empty() && node.choices.size() == 1 &&
                         std::none_of(partial.seen.begin(), partial.seen.end(),
                                      [&](SchemaId seen) { return SpeaksOfObjects(tree[seen]); });
      // Each way to choose goes on by itself; the first one first.
      std::vector<Partial> ways = {std::move(partial)};
      for (const SchemaNode::Choice& choice : node.choices) {
        if (choice.exactly_one) CheckDisjoint(tree, choice, alone, builder);
        std::vector<Partial> more;
        for (const Partial& way : ways) {
          for (SchemaId branch : choice.branches) {
            builder.CheckTime();
            builder.CheckSize(work.size() + more.size());
            more.push_back(way);
            more.back().open.push_back(branch);
          }
        }
        ways = std::move(more);
      }
      work.insert(work.end(), std::make_move_iterator(ways.rbegin()),
                  std::make_move_iterator(ways.rend()));
      whole = false;
    }
    if (!possible || !whole) continue;
    Alternative alternative(partial.seen.begin(), partial.seen.end());
    builder.CheckSize(found.size());
    if (known.insert(alternative).second) found.push_back(std::move(alternative));
  }
  return found;
}

uint8_t TypesOf(const SchemaTree& tree, const Alternative& alternative) {
  uint8_t types = kAnyType;
  for (SchemaId id : alternative) types &= tree[id].types;
  return types;
}

std::optional<std::vector<JsonValue>> ValuesOf(const SchemaTree& tree,
                                               const Alternative& alternative) {
  std::optional<std::vector<JsonValue>> values;
  for (SchemaId id : alternative) {
    if (!tree[id].values) continue;
    if (values) {
      KeepCommon(*tree[id].values, *values);
    } else {
      values = tree[id].values;
    }
  }
  return values;
}

uint8_t TypeOfValue(const JsonValue& value) {
  if (value.IsBool()) return kBoolType;
  if (value.IsString()) return kStringType;
  if (value.IsArray()) return kArrayType;
  if (value.IsObject()) return kObjectType;
  if (!value.IsNumber()) return kNullType;
  const double number = value.Number();
  return number == std::floor(number) ? kIntegerType : kFractionType;
}

}  // namespace gemma3n
