// SPDX-License-Identifier: Apache-2.0
// A JSON schema as it is written: each schema in it read and checked, with its place. What is not
// supported is refused here, so that nothing of a schema is dropped.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/json_value.h"
#include "gemma3n/constraint.h"

namespace gemma3n {

using SchemaId = uint32_t;

// Kinds of values, as bits. Every number is one of kInteger and kFraction.
enum : uint8_t {
  kNullType = 1,
  kBoolType = 2,
  kIntegerType = 4,
  kFractionType = 8,
  kStringType = 16,
  kArrayType = 32,
  kObjectType = 64,
  kAnyType = 127,
};

struct NumberBound {
  JsonValue value;
  std::string place;  // of the keyword
  bool is_least, exclusive;
};

struct SchemaNode {
  static constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
  // One of anyOf or oneOf.
  struct Choice {
    std::vector<SchemaId> branches;
    bool exactly_one;
    std::string place;
  };

  std::string place;     // JSON pointer
  bool nothing = false;  // the schema `false`
  uint8_t types = kAnyType;
  std::optional<std::vector<JsonValue>> values;  // of enum and const
  std::optional<SchemaId> ref;
  std::vector<SchemaId> all_of;
  std::vector<Choice> choices;

  bool has_properties = false;  // the keyword, which may name none
  std::vector<std::pair<std::string_view, SchemaId>> properties;
  std::vector<std::string_view> required;
  std::optional<SchemaId> additional;  // unset: not said
  uint64_t min_properties = 0, max_properties = kNoLimit;

  std::vector<SchemaId> prefix_items;
  std::optional<SchemaId> items;
  uint64_t min_items = 0, max_items = kNoLimit;

  uint64_t min_length = 0, max_length = kNoLimit;
  std::optional<std::string_view> pattern, format;

  std::vector<NumberBound> bounds;
  std::optional<int64_t> multiple_of;
};

class SchemaTree {
 public:
  // `place` is what pointers begin with. Throws Error (kRequest).
  SchemaTree(std::string_view text, const ConstraintLimits& limits, std::string place = "");

  static constexpr SchemaId kRoot = 0;
  const SchemaNode& operator[](SchemaId id) const { return nodes_[id]; }
  // Other values than objects no longer satisfy the root.
  void RequireObject() { nodes_[kRoot].types &= kObjectType; }

 private:
  struct Unread {
    SchemaId id;
    JsonValue value;
    size_t depth;
  };
  struct Reader;
  friend struct Reader;

  SchemaId Add(const JsonValue& value, const std::string& place, size_t depth);
  void ReadAll();
  void Read(const Unread& unread);
  void ResolveRefs();
  SchemaId Resolve(const std::string& ref, const std::string& place);
  void RefuseLoops() const;

  ConstraintLimits limits_;
  std::string root_place_;
  JsonValue document_;
  std::vector<SchemaNode> nodes_;
  std::vector<Unread> unread_;
  std::map<std::string, SchemaId> by_place_;
  std::vector<std::pair<SchemaId, std::string>> refs_;  // to be resolved
};

// "/properties/a": one step further, with what a pointer escapes.
std::string StepDown(const std::string& place, std::string_view key);
// Throws Error (kRequest).
[[noreturn]] void RefuseSchema(const std::string& place, const std::string& message);
// A value for a message, short.
std::string Shown(const JsonValue& value);

}  // namespace gemma3n
