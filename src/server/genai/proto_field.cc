// SPDX-License-Identifier: Apache-2.0
#include "server/genai/proto_field.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/call.h"

namespace gemma3n::server {
namespace {

// A string that is a number, as one; else the value as it is.
Json AsNumber(const Json& json) {
  if (!json.is_string()) return json;
  const auto& text = json.get_ref<const std::string&>();
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto [next, error] = std::from_chars(text.data(), end, integer);
      error == std::errc() && next == end) {
    return integer;
  }
  double number = 0;
  const auto [next, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && next == end ? Json(number) : json;
}

}  // namespace

std::string SnakeCase(std::string_view name) {
  std::string snake;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper) snake += '_';
    snake += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return snake;
}

std::string StandardBase64(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  while (text.size() % 4 > 1) text += '=';
  return text;
}

ProtoField ProtoField::operator[](const char* name) const {
  const Field camel = Field::operator[](name);
  const std::string other = SnakeCase(name);
  if (other == name) return ProtoField(camel);
  const Field snake = Field::operator[](other.c_str());
  if (!snake.present()) return ProtoField(camel);
  if (camel.present()) Expected(camel, "it once, found also '" + other + "'");
  return ProtoField(snake.json(), camel.path());
}

std::vector<ProtoField> ProtoField::Items(size_t most) const {
  std::vector<ProtoField> items;
  for (Field& item : Field::Items(most)) items.emplace_back(std::move(item));
  return items;
}

std::vector<std::string> ProtoField::Others(const std::vector<std::string_view>& known) const {
  std::vector<std::string> snakes;
  for (const std::string_view name : known) snakes.push_back(SnakeCase(name));
  std::vector<std::string_view> all = known;
  all.insert(all.end(), snakes.begin(), snakes.end());
  return Field::Others(all);
}

std::optional<int64_t> ProtoField::Integer(int64_t least, int64_t most) const {
  return Field(Json(AsNumber(json())), path()).Integer(least, most);
}

std::optional<double> ProtoField::Number(double least, double most) const {
  return Field(Json(AsNumber(json())), path()).Number(least, most);
}

std::optional<std::string> ProtoField::Word(std::initializer_list<const char*> words) const {
  if (!is_text()) return Field::Word(words);
  std::string text = Text();
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  for (const char* word : words) {
    if (text == word) return text;
  }
  return Field::Word(words);  // complains
}

}  // namespace gemma3n::server
