// SPDX-License-Identifier: Apache-2.0
// JSON of requests, which is hostile until read: strict, bounded, and every complaint names the
// field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::server {

// Members keep the order in which they were written: a schema's is that of the answer.
using Json = nlohmann::ordered_json;

// Throws Refusal: kInvalidJson for what is no JSON in UTF-8, nests deeper than 64, has a key twice
// in an object or too many values; kInvalidValue, with its path, for a number beyond 64 bits.
Json ParseJson(std::string_view text);

// Whether it is the JSON of an object, as ParseJson takes it, but for keys that come twice: a model
// that writes arguments may do that.
bool IsJsonObject(std::string_view text);

// A value of a request, and the path that leads to it. What is absent and what is null are the
// same. Getters throw Refusal (kInvalidValue, kMissing) that names the path.
class Field {
 public:
  Field(const Json& value, std::string path) : value_(&value), path_(std::move(path)) {}
  Field(const nlohmann::json& value, std::string path) = delete;  // it would borrow a copy

  const std::string& path() const { return path_; }
  const Json& json() const { return *value_; }
  bool present() const;
  bool is_text() const;
  bool is_list() const;

  Field operator[](const char* name) const;     // of an object, which it must be
  std::vector<Field> Items(size_t most) const;  // of a list, which it must be
  // The names of an object's members that are none of these.
  std::vector<std::string> Others(const std::vector<std::string_view>& known) const;

  const std::string& Text() const;
  bool Flag(bool otherwise) const;
  // 3.0 is taken for 3.
  std::optional<int64_t> Integer(int64_t least, int64_t most) const;
  std::optional<double> Number(double least, double most) const;
  // One of these words.
  std::optional<std::string> Word(std::initializer_list<const char*> words) const;

 private:
  [[noreturn]] void Complain(const std::string& expected) const;

  const Json* value_;
  std::string path_;
};

}  // namespace gemma3n::server
