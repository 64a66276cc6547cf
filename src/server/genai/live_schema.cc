// SPDX-License-Identifier: Apache-2.0
#include "server/genai/live_schema.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

#include "server/call.h"
#include "server/genai/live_setup.h"

namespace gemma3n::server {
namespace {

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// What other dialects call the same.
std::string NameOf(const std::string& name) {
  static const std::pair<const char*, const char*> kNames[] = {{"any_of", "anyOf"},
                                                               {"min_items", "minItems"},
                                                               {"max_items", "maxItems"},
                                                               {"min_length", "minLength"},
                                                               {"max_length", "maxLength"},
                                                               {"min_properties", "minProperties"},
                                                               {"max_properties", "maxProperties"}};
  for (const auto& [snake, camel] : kNames) {
    if (name == snake) return camel;
  }
  return name;
}

// A count that came as a text, as a number.
Json CountOf(const Json& value) {
  if (!value.is_string()) return value;
  const std::string& text = value.get_ref<const std::string&>();
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size()) return value;
  return count;
}

bool IsCount(const std::string& name) {
  return (name.starts_with("min") || name.starts_with("max")) && name != "minimum" &&
         name != "maximum";
}

// Of GenAI alone, or without a say in what is valid.
bool SaysNothing(const std::string& name) {
  return name == "nullable" || name == "propertyOrdering" || name == "property_ordering" ||
         name == "example" || name == "default" || name == "title" || name == "format";
}

}  // namespace

Json JsonSchemaOf(const Json& schema) {
  if (!schema.is_object()) return schema;
  Json result = Json::object();
  for (const auto& [given, value] : schema.items()) {
    const std::string name = NameOf(given);
    if (SaysNothing(given)) continue;
    if (name == "type" && value.is_string()) {
      result[name] = Lower(value.get<std::string>());
    } else if (name == "properties" && value.is_object()) {
      result[name] = Json::object();
      for (const auto& [property, its] : value.items()) result[name][property] = JsonSchemaOf(its);
    } else if (name == "items") {
      result[name] = JsonSchemaOf(value);
    } else if (name == "anyOf" && value.is_array()) {
      result[name] = Json::array();
      for (const Json& one : value) result[name].push_back(JsonSchemaOf(one));
    } else {
      result[name] = IsCount(name) ? CountOf(value) : value;
    }
  }
  const bool nullable = schema.contains("nullable") && schema["nullable"] == true;
  if (nullable && result.contains("type")) result["type"] = {result["type"], "null"};
  return result;
}

Tool ReadDeclaration(const Field& function) {
  Json plain = Json::object();
  for (const char* name : {"name", "description"}) plain[name] = function[name].json();
  const Field schema = Member(function, "parametersJsonSchema");
  const Field parameters = function["parameters"];
  if (schema.present() && parameters.present()) {
    Expected(schema, "either parameters or parametersJsonSchema");
  }
  if (schema.present()) plain["parameters"] = schema.json();
  if (parameters.present()) plain["parameters"] = JsonSchemaOf(parameters.json());
  Tool tool = ReadTool(Field(plain, function.path()));
  tool.strict = true;  // GenAI's functions are called as they are declared
  return tool;
}

}  // namespace gemma3n::server
