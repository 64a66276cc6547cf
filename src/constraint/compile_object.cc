// SPDX-License-Identifier: Apache-2.0
// Objects, member by member in the order of the schema. States are a grid: which member can be
// next, and how many there are already, as far as minProperties and maxProperties ask.
#include <algorithm>

#include "constraint/schema_compiler.h"

namespace gemma3n {

namespace {

// A name between quotes, as most programs write it.
std::string KeyText(std::string_view name) {
  static constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "\"";
  for (char c : name) {
    const auto byte = static_cast<uint8_t>(c);
    if (const size_t at = kEscaped.find(c); at != std::string_view::npos) {
      text += {'\\', kLetters[at]};
    } else if (byte < 0x20) {
      text += std::string("\\u00") + kDigits[byte >> 4] + kDigits[byte & 15];
    } else {
      text += c;
    }
  }
  return text + "\"";
}

}  // namespace

struct SchemaCompiler::ObjectStates {
  size_t
      columns;  // counts that are told apart; the last one stands for all above where none is most
  bool saturates;
  std::vector<StateId> after,
      comma;  // [members + 1][columns]: a member, or its comma, has been read

  StateId After(size_t member, size_t count) const { return after[member * columns + count]; }
  StateId Comma(size_t member, size_t count) const { return comma[member * columns + count]; }
  // Of one member more; columns where there cannot be one.
  size_t Next(size_t count) const {
    return saturates ? std::min(count + 1, columns - 1) : count + 1;
  }
};

void SchemaCompiler::AddMember(const std::string& key, RuleId value, StateId from, StateId to) {
  const StateId colon = builder_.AddText(from, key + ":");
  builder_.AddCall(builder_.AddSpace(colon), value, to);
}

void SchemaCompiler::AddOtherMembers(const ObjectMembers& object, const ObjectStates& states) {
  std::vector<std::string_view> names;
  for (const ObjectMembers::Member& member : object.members) names.push_back(member.name);
  const TextLanguage language = names.empty() ? TextLanguage::Any() : TextLanguage::AllBut(names);
  const RuleId name = builder_.NewRule(/*nests=*/false);
  const StateId last = builder_.NewState(), end = builder_.NewState();
  builder_.AddBytes(last, '"', '"', end);
  builder_.SetAccepting(end);
  AddCharacters(language, {}, builder_.AddText(builder_.StartOf(name), "\""), last, characters_,
                builder_);
  const RuleId value = RuleOf(*object.others);
  const size_t all = object.members.size();
  for (size_t count = 0; count < states.columns; ++count) {
    const size_t next = states.Next(count);
    if (next >= states.columns) continue;
    const StateId colon = builder_.NewState();
    builder_.AddCall(states.Comma(all, count), name, colon);
    builder_.AddCall(builder_.AddSpace(builder_.AddText(colon, ":")), value,
                     states.After(all, next));
  }
}

void SchemaCompiler::AddObject(const Alternative& nodes, StateId start, StateId end) {
  const ObjectMembers object = MembersOf(tree_, nodes);
  Counts counts = CountsOf(nodes, &SchemaNode::min_properties, &SchemaNode::max_properties);
  const size_t all = object.members.size();
  if (counts.least > counts.most || (!object.others && counts.least > all)) return;
  if (!object.others && counts.most >= all) counts.most = SchemaNode::kNoLimit;
  const auto required = static_cast<uint64_t>(
      std::count_if(object.members.begin(), object.members.end(),
                    [](const ObjectMembers::Member& member) { return member.required; }));
  if (counts.least <= required) counts.least = 0;
  // A name that the schema does not know may be written twice, which counts once.
  if (object.others && counts.least > 1) {
    builder_.Fail("minProperties is supported where all members are named");
  }
  ObjectStates states;
  states.saturates = counts.most == SchemaNode::kNoLimit;
  const uint64_t last = states.saturates ? counts.least : counts.most;
  builder_.CheckSize((last + 1) * (all + 1));
  states.columns = last + 1;
  for (size_t i = 0; i < (all + 1) * states.columns; ++i) {
    states.after.push_back(builder_.NewState());
    states.comma.push_back(builder_.NewState());
  }
  const StateId close = builder_.NewState(), brace = builder_.AddSpace(close);
  builder_.AddBytes(brace, '}', '}', end);
  // The first member follows the brace as others follow a comma.
  const StateId open = builder_.AddSpace(builder_.AddText(start, "{"));
  builder_.AddFree(open, states.Comma(0, 0));
  if (counts.least == 0 && required == 0) builder_.AddFree(open, brace);
  size_t last_required = 0;  // one past it
  for (size_t i = 0; i < all; ++i) {
    if (object.members[i].required) last_required = i + 1;
  }
  for (size_t i = 0; i <= all; ++i) {
    for (size_t count = 0; count < states.columns; ++count) {
      const StateId after = states.After(i, count), comma = states.Comma(i, count);
      const bool is_reached = (i > 0 || all == 0) && (count > 0 || states.columns == 1);
      if (is_reached && (i < all || object.others)) {
        builder_.AddFree(builder_.AddSpace(builder_.AddText(after, ",")), comma);
      }
      if (is_reached && i >= last_required && count >= counts.least) {
        builder_.AddFree(after, close);
      }
      if (i == all) continue;
      const ObjectMembers::Member& member = object.members[i];
      if (const size_t next = states.Next(count); next < states.columns) {
        AddMember(KeyText(member.name), RuleOf(member.all), comma, states.After(i + 1, next));
      }
      if (!member.required) builder_.AddFree(comma, states.Comma(i + 1, count));
    }
  }
  if (object.others) AddOtherMembers(object, states);
}

}  // namespace gemma3n
