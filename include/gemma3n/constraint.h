// SPDX-License-Identifier: Apache-2.0
// What an answer may be, as an automaton over its bytes: a JSON schema, any JSON object, one of
// some texts. docs/constraint.md.
//
//   auto constraint = Constraint::FromJsonSchema(schema);
//   auto result = session->Generate(turns, {.constraint = constraint});
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n {

// Each is checked before the memory or the work that it bounds.
struct ConstraintLimits {
  size_t schema_bytes = 256 << 10;
  size_t schema_depth = 32;
  size_t states = 100'000;
  size_t pattern_bytes = 1 << 10;
  size_t repetitions = 1'000;  // of a counted piece of a pattern
  double compile_ms = 250;
};

// One function that may be called.
struct CallableTool {
  std::string name;
  std::string parameters;  // a JSON schema; empty: an object without members
  // The arguments hold to the schema. Else they do where it can be compiled, and are any JSON
  // object where it cannot.
  bool strict = false;
};

struct ToolCallOptions {
  bool parallel = true;  // several calls in one answer
  // false: the answer is any text, unless it begins as a call does: [ { "name" :, with any white
  // space before and between. From there on it is held to the grammar.
  bool required = true;
  // Where calls are not required: a JSON schema that an answer holds to which calls nothing. None
  // of its values may begin as a call does. Empty: any text.
  std::string otherwise = {};
};

// Immutable: one may be used by any number of answers at one time.
class Constraint {
 public:
  virtual ~Constraint() = default;

  virtual size_t Bytes() const = 0;  // memory taken

  // Throws Error (kRequest) for a schema that is not JSON, asks for what is not supported, that
  // nothing can satisfy, or that passes a limit; the message begins with a JSON pointer to the
  // place ("/properties/a/pattern: ...").
  static std::shared_ptr<const Constraint> FromJsonSchema(std::string_view schema,
                                                          const ConstraintLimits& limits = {});
  static std::shared_ptr<const Constraint> JsonObject();
  // Exactly one of these texts; none is empty. Throws as FromJsonSchema.
  static std::shared_ptr<const Constraint> OneOf(const std::vector<std::string>& texts,
                                                 const ConstraintLimits& limits = {});
  // [{"name": NAME, "parameters": {...}}, ...], with one element where calls are not parallel.
  // Throws as FromJsonSchema; the pointer begins with the tool's place in the list, or with
  // "/otherwise".
  static std::shared_ptr<const Constraint> ToolCalls(const std::vector<CallableTool>& tools,
                                                     const ToolCallOptions& options = {},
                                                     const ConstraintLimits& limits = {});
};

// Constraints that were asked for of late, so that each is compiled once. Those asked for longest
// ago go first. Any number of threads may ask; what cannot be compiled throws each time.
class ConstraintCache {
 public:
  static constexpr size_t kMostEntries = 64;
  static constexpr size_t kMostBytes = 64 << 20;

  explicit ConstraintCache(const ConstraintLimits& limits = {}) : limits_(limits) {}

  // As Constraint's own.
  std::shared_ptr<const Constraint> FromJsonSchema(std::string_view schema);
  std::shared_ptr<const Constraint> JsonObject();
  std::shared_ptr<const Constraint> OneOf(const std::vector<std::string>& texts);
  std::shared_ptr<const Constraint> ToolCalls(const std::vector<CallableTool>& tools,
                                              const ToolCallOptions& options = {});

  size_t size() const;
  size_t Bytes() const;  // of all that is held

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Constraint> constraint;
  };
  template <class Make>
  std::shared_ptr<const Constraint> Find(std::string key, const Make& make);
  size_t BytesHeld() const;

  const ConstraintLimits limits_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the latest first
};

}  // namespace gemma3n
