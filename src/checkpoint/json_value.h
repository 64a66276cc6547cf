// SPDX-License-Identifier: Apache-2.0
// A read-only JSON value that knows where it stands, so that a wrong field is reported as
// "config.json: text_config.hidden_size: expected an integer in [1, 65536], found -3".
//
// Text is hostile until checked: depth, duplicate keys, invalid UTF-8 and numbers out of range are
// refused while parsing. Values share the parsed document; copies are cheap and outlive the parser.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n {

class JsonValue {
 public:
  // `document` names the text in errors, such as a file's path. Throws Error (kModel).
  static JsonValue Parse(std::string_view text, std::string document);
  // Reads a regular file of at most `max_bytes`.
  static JsonValue Load(const std::filesystem::path& path, uint64_t max_bytes = 64ull << 20);

  JsonValue();  // null
  ~JsonValue();
  JsonValue(const JsonValue&);
  JsonValue& operator=(const JsonValue&);

  bool IsNull() const;  // true for JSON null and for a missing member
  bool IsNumber() const;
  bool IsString() const;
  bool IsBool() const;
  bool IsArray() const;
  bool IsObject() const;

  // Member of an object; a missing member, or any member of null, is a null value that knows its
  // path.
  JsonValue operator[](std::string_view key) const;
  bool Has(std::string_view key) const { return !(*this)[key].IsNull(); }
  std::vector<std::string> Keys() const;  // in file order; throws unless an object
  std::vector<JsonValue> Items() const;   // throws unless an array
  size_t size() const;                    // of an array or object

  // Typed reading; throws Error (kModel) naming document, path, expected and found.
  int64_t Int(int64_t min = std::numeric_limits<int64_t>::min(),
              int64_t max = std::numeric_limits<int64_t>::max()) const;  // 1.0 counts as 1
  double Number(double min = -std::numeric_limits<double>::max(),
                double max = std::numeric_limits<double>::max()) const;
  bool Bool() const;
  std::string String() const;

  // The same, or `fallback` where the value is null or missing.
  int64_t IntOr(int64_t fallback, int64_t min = std::numeric_limits<int64_t>::min(),
                int64_t max = std::numeric_limits<int64_t>::max()) const;
  double NumberOr(double fallback, double min = -std::numeric_limits<double>::max(),
                  double max = std::numeric_limits<double>::max()) const;
  bool BoolOr(bool fallback) const;
  std::string StringOr(std::string fallback) const;

  // "config.json: text_config.hidden_size", for messages of the caller's own.
  std::string Where() const;
  // Throws Error (kModel): Where() + ": expected " + expected + ", found " + this value, shortened.
  [[noreturn]] void Fail(const std::string& expected) const;
  // The value as compact JSON text.
  std::string Dump() const;

 private:
  struct Node;
  explicit JsonValue(std::shared_ptr<const Node> node);
  std::shared_ptr<const Node> node_;
};

}  // namespace gemma3n
