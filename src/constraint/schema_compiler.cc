// SPDX-License-Identifier: Apache-2.0
#include "constraint/schema_compiler.h"

#include <algorithm>

#include "constraint/format.h"
#include "constraint/number_language.h"
#include "constraint/pattern.h"

namespace gemma3n {

RuleId SchemaCompiler::RuleOf(std::vector<SchemaId> all) {
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  const auto known = rules_.find(all);
  if (known != rules_.end()) return known->second;
  const RuleId rule = builder_.NewRule(/*nests=*/true);
  rules_.emplace(all, rule);
  open_.push_back({std::move(all), rule});
  return rule;
}

void SchemaCompiler::CompileAll() {
  while (!open_.empty()) {
    const Open open = std::move(open_.front());
    open_.pop_front();
    Compile(open);
  }
}

void SchemaCompiler::Compile(const Open& open) {
  if (!open.all.empty()) builder_.SetPlace(tree_[open.all.front()].place);
  const StateId start = builder_.StartOf(open.rule), end = builder_.NewState();
  builder_.SetAccepting(end);
  for (const Alternative& nodes : AlternativesOf(tree_, open.all, builder_)) {
    AddAlternative(nodes, start, end);
  }
}

void SchemaCompiler::AddAlternative(const Alternative& nodes, StateId start, StateId end) {
  const uint8_t types = TypesOf(tree_, nodes);
  if (const auto values = ValuesOf(tree_, nodes)) return AddValues(*values, nodes, start, end);
  if ((types & kNullType) != 0) builder_.AddTextTo(start, "null", end);
  if ((types & kBoolType) != 0) AddTexts({"true", "false"}, start, end, builder_);
  if ((types & kIntegerType) != 0) {
    AddNumber(nodes, (types & kFractionType) != 0, start, end);
  }
  if ((types & kStringType) != 0) AddString(nodes, start, end);
  if ((types & kArrayType) != 0) AddArray(nodes, start, end);
  if ((types & kObjectType) != 0) AddObject(nodes, start, end);
}

SchemaCompiler::Counts SchemaCompiler::CountsOf(const Alternative& nodes,
                                                uint64_t SchemaNode::*least,
                                                uint64_t SchemaNode::*most) const {
  Counts counts;
  for (SchemaId id : nodes) {
    counts.least = std::max(counts.least, tree_[id].*least);
    counts.most = std::min(counts.most, tree_[id].*most);
  }
  return counts;
}

// No answer is as long as the counts that a counter cannot hold.
uint32_t SchemaCompiler::Limited(uint64_t count) const {
  if (count == SchemaNode::kNoLimit) return Automaton::kNoLimit;
  return static_cast<uint32_t>(std::min<uint64_t>(count, Automaton::kMostCount));
}

void SchemaCompiler::AddNumber(const Alternative& nodes, bool fractions, StateId start,
                               StateId end) {
  const NumberSet numbers = NumberSetOf(tree_, nodes, fractions);
  const auto [entry, is_new] = numbers_.emplace(numbers.Name(), 0);
  if (is_new) {
    const RuleId rule = entry->second = builder_.NewRule(/*nests=*/false);
    const StateId last = builder_.NewState();
    builder_.SetAccepting(last);
    AddNumbers(numbers, builder_.StartOf(rule), last, builder_);
  }
  builder_.AddCall(start, entry->second, end);
}

TextLanguage SchemaCompiler::LanguageOf(const Alternative& nodes) {
  TextLanguage language = TextLanguage::Any();
  const auto also = [&](const SchemaNode& node, const char* keyword, std::string_view text,
                        const auto& read) {
    builder_.SetPlace(StepDown(node.place, keyword));
    const auto [entry, is_new] = languages_.try_emplace(keyword + std::string(text));
    if (is_new) entry->second = read(text, builder_);
    language = TextLanguage::Both(language, entry->second, builder_);
  };
  for (SchemaId id : nodes) {
    const SchemaNode& node = tree_[id];
    if (node.pattern) also(node, "pattern", *node.pattern, PatternLanguage);
    if (node.format && IsFormatOfStrings(*node.format)) {
      also(node, "format", *node.format, FormatLanguage);
    }
  }
  return language;
}

void SchemaCompiler::AddString(const Alternative& nodes, StateId start, StateId end) {
  const Counts counts = CountsOf(nodes, &SchemaNode::min_length, &SchemaNode::max_length);
  if (counts.least > counts.most) return;
  const TextLanguage language = LanguageOf(nodes);
  const StateId last = builder_.NewState();
  builder_.AddBytes(last, '"', '"', end);
  AddCharacters(language, {Limited(counts.least), Limited(counts.most)},
                builder_.AddText(start, "\""), last, characters_, builder_);
}

// Whether a constant satisfies what else is said.
bool SchemaCompiler::Fits(const JsonValue& value, const Alternative& nodes) {
  const uint8_t type = TypeOfValue(value);
  if ((TypesOf(tree_, nodes) & type) == 0) return false;
  if (type == kStringType) {
    const Counts counts = CountsOf(nodes, &SchemaNode::min_length, &SchemaNode::max_length);
    const std::string_view text = value.StringView();
    const auto length = static_cast<uint64_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
    return length >= counts.least && length <= counts.most && LanguageOf(nodes).Has(text);
  }
  if (value.IsNumber()) return NumberSetOf(tree_, nodes, true).Has(value);
  if (type != kArrayType && type != kObjectType) return true;
  for (SchemaId id : nodes) {
    const SchemaNode& node = tree_[id];
    const bool says_more = type == kArrayType
                               ? !node.prefix_items.empty() || node.items || node.min_items > 0 ||
                                     node.max_items != SchemaNode::kNoLimit
                               : node.has_properties || !node.required.empty() || node.additional ||
                                     node.min_properties > 0 ||
                                     node.max_properties != SchemaNode::kNoLimit;
    if (says_more) {
      RefuseSchema(node.place,
                   "keywords for lists and objects beside an enum or const of such values are not "
                   "supported");
    }
  }
  return true;
}

void SchemaCompiler::AddValues(const std::vector<JsonValue>& values, const Alternative& nodes,
                               StateId start, StateId end) {
  std::vector<std::string> texts;
  for (const JsonValue& value : values) {
    builder_.CheckTime();
    if (Fits(value, nodes)) texts.push_back(value.Dump());
  }
  AddTexts(texts, start, end, builder_);
}

void SchemaCompiler::AddItems(RuleId item, uint32_t least, uint32_t most, StateId from,
                              StateId close) {
  const bool bounded = least > 0 || most != Automaton::kNoLimit;
  const uint32_t counter = bounded ? builder_.NewCounter(least, most) : 0;
  const StateId before = builder_.NewState(counter), after = builder_.NewState(counter),
                comma = builder_.NewState(counter);
  builder_.AddFree(from, before);
  builder_.AddCall(before, item, after, bounded);
  builder_.AddBytes(after, ',', ',', comma);
  const StateId next = builder_.AddSpace(comma, counter);
  builder_.AddFree(next, before);
  for (StateId state : {before, comma, next}) builder_.SetMustCount(state);
  builder_.AddFree(after, close, /*needs_least=*/bounded);
}

void SchemaCompiler::AddArray(const Alternative& nodes, StateId start, StateId end) {
  const Counts counts = CountsOf(nodes, &SchemaNode::min_items, &SchemaNode::max_items);
  if (counts.least > counts.most) return;
  size_t prefix = 0;
  std::vector<SchemaId> rest;
  for (SchemaId id : nodes) {
    prefix = std::max(prefix, tree_[id].prefix_items.size());
    if (tree_[id].items) rest.push_back(*tree_[id].items);
  }
  const StateId close = builder_.NewState(), last = builder_.AddSpace(close);
  builder_.AddBytes(last, ']', ']', end);
  StateId before = builder_.AddSpace(builder_.AddText(start, "["));
  if (counts.least == 0) builder_.AddFree(before, last);
  for (size_t i = 0; i < prefix && i < counts.most; ++i) {
    std::vector<SchemaId> all;
    for (SchemaId id : nodes) {
      const SchemaNode& node = tree_[id];
      if (i < node.prefix_items.size()) {
        all.push_back(node.prefix_items[i]);
      } else if (node.items) {
        all.push_back(*node.items);
      }
    }
    const StateId after = builder_.NewState();
    builder_.AddCall(before, RuleOf(std::move(all)), after);
    if (i + 1 >= counts.least) builder_.AddFree(after, close);
    before = builder_.AddSpace(builder_.AddText(after, ","));
  }
  if (prefix >= counts.most) return;
  const uint64_t least = counts.least > prefix ? counts.least - prefix : 0;
  const uint64_t most = counts.most == SchemaNode::kNoLimit ? counts.most : counts.most - prefix;
  AddItems(RuleOf(std::move(rest)), Limited(least), Limited(most), before, close);
}

void AddTexts(const std::vector<std::string>& texts, StateId from, StateId to,
              AutomatonBuilder& builder) {
  std::map<std::pair<StateId, char>, StateId> tree;
  std::vector<StateId> ends;
  for (const std::string& text : texts) {
    StateId at = from;
    for (size_t i = 0; i < text.size(); ++i) {
      builder.CheckTime();
      const auto [entry, is_new] = tree.try_emplace({at, text[i]}, 0);
      if (is_new) {
        entry->second = builder.NewState();
        builder.AddBytes(at, static_cast<uint8_t>(text[i]), static_cast<uint8_t>(text[i]),
                         entry->second);
      }
      at = entry->second;
    }
    ends.push_back(at);
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  for (StateId state : ends) builder.AddFree(state, to);
}

Automaton CompileSchema(std::string_view schema, const ConstraintLimits& limits,
                        const std::string& place) {
  AutomatonBuilder builder(limits);
  const SchemaTree tree(schema, limits, place);
  CharacterRules characters(builder);
  SchemaCompiler compiler(tree, characters, builder);
  const RuleId root = compiler.RuleOf({SchemaTree::kRoot});
  compiler.CompileAll();
  return builder.Finish(root);
}

}  // namespace gemma3n
