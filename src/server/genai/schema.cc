// SPDX-License-Identifier: Apache-2.0
#include "server/genai/schema.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/answer_json.h"
#include "server/call.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostProperties = 4096, kMostBranches = 4096, kMostDepth = 32;
constexpr int64_t kMostCount = INT32_MAX;
constexpr double kMostNumber = 1e300;
constexpr double kMostWhole = 9007199254740992.0;  // 2^53: beyond, not every number is one

const std::vector<std::string_view> kKnown = {"type",
                                              "format",
                                              "title",
                                              "description",
                                              "nullable",
                                              "enum",
                                              "items",
                                              "minItems",
                                              "maxItems",
                                              "properties",
                                              "required",
                                              "propertyOrdering",
                                              "minProperties",
                                              "minLength",
                                              "maxLength",
                                              "maxProperties",
                                              "minimum",
                                              "maximum",
                                              "pattern",
                                              "anyOf",
                                              "default",
                                              "example",
                                              "additionalProperties"};

[[noreturn]] void RefuseSchema(const Field& field, const std::string& why) {
  throw Refusal(Reason::kInvalidJsonSchema, field.path() + ": " + why, field.path());
}

class Converter {
 public:
  Json Convert(const ProtoField& schema) {
    if (!schema.json().is_object()) RefuseSchema(schema, "expected a schema");
    const std::vector<std::string> others = schema.Others(kKnown);
    if (!others.empty()) RefuseSchema(schema, "'" + Shown(others[0]) + "' is not served");
    if (++depth_ > kMostDepth) {
      RefuseSchema(schema, "nests deeper than " + std::to_string(kMostDepth));
    }
    Json converted = Json::object();
    // It grows by copying what nests in it, see ParseJson. It gets one member more at most.
    converted.get_ref<Json::object_t&>().reserve(schema.json().size() + 1);
    for (const char* name : {"title", "description"}) {
      if (schema[name].present()) converted[name] = schema[name].Text();
    }
    ConvertType(schema, converted);
    Counts(schema, converted);
    if (schema["enum"].present()) Enum(schema["enum"], converted);
    if (schema["items"].present()) converted["items"] = Convert(schema["items"]);
    if (schema["anyOf"].present()) {
      for (const ProtoField& branch : schema["anyOf"].Items(kMostBranches)) {
        converted["anyOf"].push_back(Convert(branch));
      }
    }
    Members(schema, converted);
    --depth_;
    if (!schema["nullable"].Flag(false)) return converted;
    return {{"anyOf", Json::array({std::move(converted), {{"type", "null"}}})}};
  }

 private:
  static void ConvertType(const ProtoField& schema, Json& converted) {
    const auto type = schema["type"].Word(
        {"TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"});
    if (!type || type == "TYPE_UNSPECIFIED") return;
    std::string lower = *type;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    converted["type"] = lower;
    const ProtoField format = schema["format"];
    // Those of numbers say how wide they are, "enum" what the list of words says.
    if (format.present() && format.Text() != "enum" && type == "STRING") {
      converted["format"] = format.Text();
    }
  }

  static void Counts(const ProtoField& schema, Json& converted) {
    for (const char* name :
         {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}) {
      if (const auto count = schema[name].Integer(0, kMostCount)) converted[name] = *count;
    }
    for (const char* name : {"minimum", "maximum"}) {
      const auto bound = schema[name].Number(-kMostNumber, kMostNumber);
      if (!bound) continue;
      // A whole number is written as one: bounds may come as texts.
      const bool whole = std::floor(*bound) == *bound && std::abs(*bound) <= kMostWhole;
      converted[name] = whole ? Json(static_cast<int64_t>(*bound)) : Json(*bound);
    }
    if (schema["pattern"].present()) converted["pattern"] = schema["pattern"].Text();
  }

  static void Enum(const ProtoField& words, Json& converted) {
    converted["enum"] = Json::array();
    for (const ProtoField& word : words.Items(kMostBranches)) {
      converted["enum"].push_back(word.Text());
    }
  }

  void Members(const ProtoField& schema, Json& converted) {
    const ProtoField properties = schema["properties"], more = schema["additionalProperties"];
    if (schema["required"].present()) {
      converted["required"] = Json::array();
      for (const ProtoField& name : schema["required"].Items(kMostProperties)) {
        converted["required"].push_back(name.Text());
      }
    }
    if (properties.present()) {
      if (!properties.json().is_object()) RefuseSchema(properties, "expected an object");
      const auto order = Order(schema);
      Json::object_t members;
      members.reserve(order.size());
      for (const auto& [name, value] : order) {
        const ProtoField property(*value, properties.path() + "." + Shown(*name));
        members.emplace_back(*name, Convert(property));
      }
      converted["properties"] = std::move(members);
      converted["additionalProperties"] = false;
    }
    if (const ProtoField order = schema["propertyOrdering"];
        order.present() && !properties.present()) {
      for (const ProtoField& name : order.Items(kMostProperties)) {
        RefuseSchema(name, "expected a property, found no properties");
      }
    }
    if (!more.present()) return;
    converted["additionalProperties"] = more.json().is_boolean() ? more.json() : Convert(more);
  }

  // Properties: those that are ordered, then the others as they come.
  using Properties = std::vector<std::pair<const std::string*, const Json*>>;
  static Properties Order(const ProtoField& schema) {
    const auto& properties = schema["properties"].json().get_ref<const Json::object_t&>();
    // An ordered object compares all its keys when it looks for one.
    std::unordered_map<std::string_view, const Json*> left;
    for (const auto& [name, value] : properties) left.emplace(name, &value);
    Properties order;
    const ProtoField given = schema["propertyOrdering"];
    if (given.present()) {
      for (const ProtoField& name : given.Items(kMostProperties)) {
        const auto found = left.find(name.Text());
        if (found == left.end()) {
          RefuseSchema(name, "expected a property, once, found '" + Shown(name.Text()) + "'");
        }
        order.emplace_back(&name.Text(), found->second);
        left.erase(found);
      }
    }
    for (const auto& [name, value] : properties) {
      if (left.contains(name)) order.emplace_back(&name, &value);
    }
    return order;
  }

  size_t depth_ = 0;
};

}  // namespace

std::string JsonSchemaOf(const ProtoField& schema) {
  return JsonLine(Converter().Convert(schema));
}

}  // namespace gemma3n::server
