// SPDX-License-Identifier: Apache-2.0
// A value of a request in Google's dialect, which is protocol buffers written as JSON: members come
// in either spelling ("topK", "top_k"), numbers may be strings, bytes in either alphabet of base64.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/json.h"

namespace gemma3n::server {

class ProtoField : public Field {
 public:
  using Field::Field;
  explicit ProtoField(Field field) : Field(std::move(field)) {}

  // Names are given, and complained of, as "topK". Throws Refusal (kInvalidValue) for a member that
  // comes in both spellings.
  ProtoField operator[](const char* name) const;
  std::vector<ProtoField> Items(size_t most) const;
  std::vector<std::string> Others(const std::vector<std::string_view>& known) const;

  std::optional<int64_t> Integer(int64_t least, int64_t most) const;
  std::optional<double> Number(double least, double most) const;
  // In whatever case.
  std::optional<std::string> Word(std::initializer_list<const char*> words) const;
};

// "topK" -> "top_k".
std::string SnakeCase(std::string_view name);

// Base64 of either alphabet, with padding or without -> that of the standard.
std::string StandardBase64(std::string text);

}  // namespace gemma3n::server
