// SPDX-License-Identifier: Apache-2.0
#include "constraint/schema_tree.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "constraint/schema_keywords.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr size_t kMostSchemas = 100'000;

// "%7E" and the like in a reference; nothing where it is broken.
std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    uint8_t byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto end = digits.data() + digits.size();
    if (digits.size() != 2 || std::from_chars(digits.data(), end, byte, 16).ptr != end) return {};
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::string Unescaped(std::string_view step) {
  std::string key;
  for (size_t i = 0; i < step.size(); ++i) {
    const bool escaped = step[i] == '~' && i + 1 < step.size();
    if (escaped && (step[i + 1] == '0' || step[i + 1] == '1')) {
      key += step[++i] == '0' ? '~' : '/';
    } else {
      key += step[i];
    }
  }
  return key;
}

std::optional<JsonValue> Child(const JsonValue& parent, const std::string& key) {
  if (parent.IsObject()) {
    for (const auto& [name, value] : parent.Members()) {
      if (name == key) return value;
    }
  }
  if (parent.IsArray()) {
    size_t index = 0;
    const auto end = key.data() + key.size();
    const std::vector<JsonValue> items = parent.Items();
    if (std::from_chars(key.data(), end, index).ptr == end && index < items.size()) {
      return items[index];
    }
  }
  return std::nullopt;
}

}  // namespace

std::string StepDown(const std::string& place, std::string_view key) {
  std::string below = place + "/";
  for (char c : key) {
    if (c == '~') {
      below += "~0";
    } else if (c == '/') {
      below += "~1";
    } else {
      below += c;
    }
  }
  return below;
}

void RefuseSchema(const std::string& place, const std::string& message) {
  throw Error(ErrorKind::kRequest, (place.empty() ? "schema" : place) + ": " + message);
}

std::string Shown(const JsonValue& value) {
  if (value.IsArray()) return "a list of " + std::to_string(value.size());
  if (value.IsObject()) return "an object";
  return value.IsString() ? Quoted(value.StringView()) : value.Dump();
}

SchemaTree::SchemaTree(std::string_view text, const ConstraintLimits& limits, std::string place)
    : limits_(limits), root_place_(std::move(place)) {
  if (text.size() > limits.schema_bytes) {
    RefuseSchema(root_place_, "expected at most " + std::to_string(limits.schema_bytes) +
                                  " bytes of JSON, found " + std::to_string(text.size()));
  }
  try {
    document_ = JsonValue::Parse(text, root_place_.empty() ? "schema" : root_place_);
  } catch (const Error& error) {
    throw Error(ErrorKind::kRequest, error.what());
  }
  Add(document_, root_place_, 1);
  ReadAll();
  RefuseLoops();
}

SchemaId SchemaTree::Add(const JsonValue& value, const std::string& place, size_t depth) {
  if (depth > limits_.schema_depth) {
    RefuseSchema(place, "expected schemas nested at most " + std::to_string(limits_.schema_depth) +
                            " deep, found more");
  }
  if (nodes_.size() >= kMostSchemas) {
    RefuseSchema(place, "expected at most " + std::to_string(kMostSchemas) + " schemas");
  }
  const auto id = static_cast<SchemaId>(nodes_.size());
  const auto [known, is_new] = by_place_.emplace(place, id);
  if (!is_new) return known->second;
  nodes_.emplace_back().place = place;
  unread_.push_back({id, value, depth});
  return id;
}

void SchemaTree::ReadAll() {
  while (!unread_.empty()) {
    const Unread unread = unread_.back();
    unread_.pop_back();
    Read(unread);
    if (unread_.empty()) ResolveRefs();
  }
}

void SchemaTree::Read(const Unread& unread) {
  const std::string place = nodes_[unread.id].place;
  if (unread.value.IsBool()) {
    nodes_[unread.id].nothing = !unread.value.Bool();
    return;
  }
  if (!unread.value.IsObject()) {
    RefuseSchema(place, "expected a schema, found " + Shown(unread.value));
  }
  SchemaNode node;
  node.place = place;
  const KeywordContext context{node,
                               [&](const JsonValue& value, const std::string& at) {
                                 return Add(value, at, unread.depth + 1);
                               },
                               [&](const std::string& ref) {
                                 refs_.push_back({unread.id, ref});
                               },
                               limits_, unread.id == kRoot};
  for (const auto& [key, value] : unread.value.Members()) ReadKeyword(key, value, context);
  nodes_[unread.id] = std::move(node);
}

void SchemaTree::ResolveRefs() {
  std::vector<std::pair<SchemaId, std::string>> refs;
  refs.swap(refs_);
  for (const auto& [id, ref] : refs) {
    const SchemaId target = Resolve(ref, StepDown(nodes_[id].place, "$ref"));
    nodes_[id].ref = target;
  }
}

SchemaId SchemaTree::Resolve(const std::string& ref, const std::string& place) {
  const auto refuse = [&](const char* why) {
    RefuseSchema(place, std::string(why) + ", found " + Quoted(ref));
  };
  if (ref.empty() || ref[0] != '#') refuse("expected a reference into this schema (\"#/...\")");
  const std::optional<std::string> pointer = PercentDecoded(std::string_view(ref).substr(1));
  if (!pointer || (!pointer->empty() && (*pointer)[0] != '/')) {
    refuse("expected a JSON pointer after #");
  }
  JsonValue value = document_;
  std::string at = root_place_;
  for (size_t begin = 1; begin <= pointer->size();) {
    const size_t end = std::min(pointer->find('/', begin), pointer->size());
    const std::string key = Unescaped(std::string_view(*pointer).substr(begin, end - begin));
    const std::optional<JsonValue> child = Child(value, key);
    if (!child) refuse("expected a place that is there");
    value = *child;
    at = StepDown(at, key);
    begin = end + 1;
  }
  return Add(value, at, 1);
}

// A schema that stands for itself: a way over $ref, allOf, anyOf and oneOf back to where it began
// reads nothing of a value.
void SchemaTree::RefuseLoops() const {
  enum : uint8_t { kNew, kOpen, kDone };
  std::vector<uint8_t> marks(nodes_.size(), kNew);
  std::vector<std::pair<SchemaId, bool>> open;  // bool: all below it is done
  const auto visit = [&](SchemaId id, SchemaId from) {
    if (marks[id] == kOpen) {
      RefuseSchema(nodes_[from].place,
                   "expected a schema, found one that refers to itself alone (" +
                       (nodes_[id].place.empty() ? "#" : nodes_[id].place) + ")");
    }
    if (marks[id] == kNew) open.push_back({id, false});
  };
  for (SchemaId root = 0; root < nodes_.size(); ++root) {
    visit(root, root);
    while (!open.empty()) {
      const auto [id, done] = open.back();
      if (done || marks[id] != kNew) {
        open.pop_back();
        if (done) marks[id] = kDone;
        continue;
      }
      open.back().second = true;
      marks[id] = kOpen;
      const SchemaNode& node = nodes_[id];
      if (node.ref) visit(*node.ref, id);
      for (SchemaId part : node.all_of) visit(part, id);
      for (const SchemaNode::Choice& choice : node.choices) {
        for (SchemaId branch : choice.branches) visit(branch, id);
      }
    }
  }
}

}  // namespace gemma3n
