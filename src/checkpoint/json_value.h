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
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3n {

class JsonValue {
 public:
  static constexpr int kMaxDepth = 64;

  // `document` names the text in errors, such as a file's path. Throws Error (kModel).
  static JsonValue Parse(std::string_view text, std::string document);
  // Reads a regular file of at most `max_bytes`.
  static JsonValue Load(const std::filesystem::path& path, uint64_t max_bytes = 64ull << 20);

  JsonValue();  // null

  bool IsNull() const;  // true for JSON null and for a missing member
  bool IsNumber() const;
  bool IsString() const;
  bool IsBool() const;
  bool IsArray() const;
  bool IsObject() const;

  // Member of an object; a missing member, or any member of null, is a null value that knows its
  // path. Looks at one key after the other: for a walk through a large object take Members().
  JsonValue operator[](std::string_view key) const;
  bool Has(std::string_view key) const { return !(*this)[key].IsNull(); }
  std::vector<std::string> Keys() const;  // in file order; throws unless an object
  // In file order; the keys live as long as any value of this document. Throws unless an object.
  std::vector<std::pair<std::string_view, JsonValue>> Members() const;
  std::vector<JsonValue> Items() const;  // throws unless an array
  size_t size() const;                   // of an array or object, else 0

  // Typed reading; throws Error (kModel) naming document, path, expected and found.
  int64_t Int(int64_t min = std::numeric_limits<int64_t>::min(),
              int64_t max = std::numeric_limits<int64_t>::max()) const;  // 1.0 counts as 1
  double Number(double min = -std::numeric_limits<double>::max(),
                double max = std::numeric_limits<double>::max()) const;
  bool Bool() const;
  std::string String() const { return std::string(StringView()); }
  std::string_view StringView() const;  // lives as long as any value of this document

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
  struct Document;
  class Builder;
  JsonValue(std::shared_ptr<const Document> document, uint32_t node);

  std::shared_ptr<const Document> document_;
  uint32_t node_;        // index in the document; of the nearest existing parent when missing
  std::string missing_;  // path below that parent, when there is no such member
};

}  // namespace gemma3n
