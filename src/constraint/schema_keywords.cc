// SPDX-License-Identifier: Apache-2.0
#include "constraint/schema_keywords.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/utf8.h"
#include "constraint/format.h"

namespace gemma3n {
namespace {

struct Keyword {
  const JsonValue& value;
  std::string place;
  const KeywordContext& context;

  SchemaNode& node() const { return context.node; }
  [[noreturn]] void Expect(const std::string& what) const {
    RefuseSchema(place, "expected " + what + ", found " + Shown(value));
  }
};

uint64_t CountOf(const Keyword& keyword) {
  const JsonValue& value = keyword.value;
  // 1.0 counts as 1, and a count beyond all integers as none.
  if (!value.IsNumber()) keyword.Expect("an integer from 0 on");
  const double number = value.Number();
  if (number < 0 || number != std::floor(number)) keyword.Expect("an integer from 0 on");
  return number > 9e15 ? static_cast<uint64_t>(9e15) : static_cast<uint64_t>(value.Int());
}

template <uint64_t SchemaNode::*member>
void ReadCount(const Keyword& keyword) {
  keyword.node().*member = CountOf(keyword);
}

uint8_t TypeOf(const Keyword& keyword, const JsonValue& name) {
  static const std::map<std::string_view, uint8_t> kTypes = {
      {"null", kNullType},
      {"boolean", kBoolType},
      {"integer", kIntegerType},
      {"string", kStringType},
      {"array", kArrayType},
      {"object", kObjectType},
      {"number", kIntegerType | kFractionType}};
  const auto found = name.IsString() ? kTypes.find(name.StringView()) : kTypes.end();
  if (found == kTypes.end()) {
    RefuseSchema(
        keyword.place,
        "expected null, boolean, integer, number, string, array or object, found " + Shown(name));
  }
  return found->second;
}

void ReadType(const Keyword& keyword) {
  uint8_t types = 0;
  if (keyword.value.IsArray()) {
    if (keyword.value.size() == 0) keyword.Expect("at least one type");
    for (const JsonValue& name : keyword.value.Items()) types |= TypeOf(keyword, name);
  } else {
    types = TypeOf(keyword, keyword.value);
  }
  keyword.node().types &= types;
}

// What both `enum` and `const` leave.
void Restrict(std::vector<JsonValue> values, SchemaNode& node) {
  if (node.values) {
    const auto is_no_other = [&](const JsonValue& value) {
      return std::none_of(values.begin(), values.end(),
                          [&](const JsonValue& other) { return value.Dump() == other.Dump(); });
    };
    std::erase_if(*node.values, is_no_other);
  } else {
    node.values = std::move(values);
  }
}

// Integers of 64 bits are kept as they are written; larger ones would be written as others.
void CheckNumbers(const Keyword& keyword, const JsonValue& value) {
  if (value.IsNumber() && std::abs(value.Number()) >= 0x1p63) {
    RefuseSchema(keyword.place, "expected numbers below 2^63, found " + Shown(value));
  }
  if (value.IsArray()) {
    for (const JsonValue& item : value.Items()) CheckNumbers(keyword, item);
  }
  if (value.IsObject()) {
    for (const auto& [name, member] : value.Members()) CheckNumbers(keyword, member);
  }
}

void ReadEnum(const Keyword& keyword) {
  if (!keyword.value.IsArray() || keyword.value.size() == 0) {
    keyword.Expect("a list of at least one value");
  }
  CheckNumbers(keyword, keyword.value);
  Restrict(keyword.value.Items(), keyword.node());
}

void ReadConst(const Keyword& keyword) {
  CheckNumbers(keyword, keyword.value);
  Restrict({keyword.value}, keyword.node());
}

SchemaId AddBelow(const Keyword& keyword, const JsonValue& value, std::string_view step) {
  return keyword.context.add(value, StepDown(keyword.place, step));
}

std::vector<SchemaId> SchemasOf(const Keyword& keyword, bool may_be_empty = false) {
  if (!keyword.value.IsArray() || (keyword.value.size() == 0 && !may_be_empty)) {
    keyword.Expect("a list of at least one schema");
  }
  std::vector<SchemaId> schemas;
  for (const JsonValue& value : keyword.value.Items()) {
    schemas.push_back(AddBelow(keyword, value, std::to_string(schemas.size())));
  }
  return schemas;
}

void ReadProperties(const Keyword& keyword) {
  if (!keyword.value.IsObject()) keyword.Expect("an object of schemas");
  keyword.node().has_properties = true;
  for (const auto& [name, value] : keyword.value.Members()) {
    keyword.node().properties.push_back({name, AddBelow(keyword, value, name)});
  }
}

void ReadDefinitions(const Keyword& keyword) {
  if (!keyword.value.IsObject()) keyword.Expect("an object of schemas");
  for (const auto& [name, value] : keyword.value.Members()) AddBelow(keyword, value, name);
}

void ReadRequired(const Keyword& keyword) {
  if (!keyword.value.IsArray()) keyword.Expect("a list of names");
  std::set<std::string_view> known;
  for (const JsonValue& name : keyword.value.Items()) {
    if (!name.IsString()) RefuseSchema(keyword.place, "expected names, found " + Shown(name));
    if (known.insert(name.StringView()).second) {
      keyword.node().required.push_back(name.StringView());
    }
  }
}

void ReadAdditional(const Keyword& keyword) {
  keyword.node().additional = keyword.context.add(keyword.value, keyword.place);
}

void ReadItems(const Keyword& keyword) {
  if (keyword.value.IsArray()) {
    RefuseSchema(keyword.place, "expected a schema, found a list; give it as prefixItems");
  }
  keyword.node().items = keyword.context.add(keyword.value, keyword.place);
}

void ReadPattern(const Keyword& keyword) {
  if (!keyword.value.IsString()) keyword.Expect("a pattern");
  const std::string_view pattern = keyword.value.StringView();
  if (pattern.size() > keyword.context.limits.pattern_bytes) {
    RefuseSchema(keyword.place, "expected at most " +
                                    std::to_string(keyword.context.limits.pattern_bytes) +
                                    " bytes, found " + std::to_string(pattern.size()));
  }
  keyword.node().pattern = pattern;
}

void ReadFormat(const Keyword& keyword) {
  if (!keyword.value.IsString()) keyword.Expect("the name of a format");
  const std::string_view format = keyword.value.StringView();
  if (!IsFormatOfStrings(format) && !IsFormatOfNumbers(format)) {
    RefuseSchema(keyword.place, "the format " + Quoted(format) + " is not supported");
  }
  keyword.node().format = format;
}

template <bool is_least, bool exclusive>
void ReadBound(const Keyword& keyword) {
  if (!keyword.value.IsNumber()) keyword.Expect("a number");
  keyword.node().bounds.push_back({keyword.value, keyword.place, is_least, exclusive});
}

void ReadMultipleOf(const Keyword& keyword) {
  if (!keyword.value.IsNumber()) keyword.Expect("an integer from 1 to 1000000");
  const double number = keyword.value.Number();
  if (number < 1 || number > 1e6 || number != std::floor(number)) {
    keyword.Expect("an integer from 1 to 1000000 (other steps are not supported)");
  }
  keyword.node().multiple_of = keyword.value.Int();
}

void ReadUniqueItems(const Keyword& keyword) {
  if (!keyword.value.IsBool()) keyword.Expect("true or false");
  if (keyword.value.Bool()) RefuseSchema(keyword.place, "uniqueItems is not supported");
}

void ReadRef(const Keyword& keyword) {
  if (!keyword.value.IsString()) keyword.Expect("a reference");
  keyword.context.refer(keyword.value.String());
}

// References are read as if from the root's name: another name below it would change what they
// mean.
void ReadId(const Keyword& keyword) {
  if (!keyword.context.is_root) RefuseSchema(keyword.place, "$id is supported at the root alone");
}

void ReadAllOf(const Keyword& keyword) {
  const std::vector<SchemaId> schemas = SchemasOf(keyword);
  keyword.node().all_of.insert(keyword.node().all_of.end(), schemas.begin(), schemas.end());
}

template <bool exactly_one>
void ReadChoice(const Keyword& keyword) {
  keyword.node().choices.push_back({SchemasOf(keyword), exactly_one, keyword.place});
}

using ReadFunction = void (*)(const Keyword&);
const std::map<std::string_view, ReadFunction>& Keywords() {
  static const std::map<std::string_view, ReadFunction> keywords = {
      {"type", ReadType},
      {"enum", ReadEnum},
      {"const", ReadConst},
      {"properties", ReadProperties},
      {"required", ReadRequired},
      {"additionalProperties", ReadAdditional},
      {"minProperties", ReadCount<&SchemaNode::min_properties>},
      {"maxProperties", ReadCount<&SchemaNode::max_properties>},
      {"prefixItems", [](const Keyword& k) { k.node().prefix_items = SchemasOf(k, true); }},
      {"items", ReadItems},
      {"minItems", ReadCount<&SchemaNode::min_items>},
      {"maxItems", ReadCount<&SchemaNode::max_items>},
      {"minLength", ReadCount<&SchemaNode::min_length>},
      {"maxLength", ReadCount<&SchemaNode::max_length>},
      {"pattern", ReadPattern},
      {"format", ReadFormat},
      {"minimum", ReadBound<true, false>},
      {"maximum", ReadBound<false, false>},
      {"exclusiveMinimum", ReadBound<true, true>},
      {"exclusiveMaximum", ReadBound<false, true>},
      {"multipleOf", ReadMultipleOf},
      {"uniqueItems", ReadUniqueItems},
      {"$ref", ReadRef},
      {"$id", ReadId},
      {"$defs", ReadDefinitions},
      {"definitions", ReadDefinitions},
      {"allOf", ReadAllOf},
      {"anyOf", ReadChoice<false>},
      {"oneOf", ReadChoice<true>},
  };
  return keywords;
}

// They say something about a value, and ask nothing of it.
bool IsAnnotation(std::string_view key) {
  static const std::set<std::string_view> kAnnotations = {
      "title",    "description", "default",  "examples",  "example",       "$schema",
      "$comment", "deprecated",  "readOnly", "writeOnly", "discriminator", "propertyOrdering"};
  return key.substr(0, 2) == "x-" || kAnnotations.count(key) > 0;
}

}  // namespace

void ReadKeyword(std::string_view key, const JsonValue& value, const KeywordContext& context) {
  const auto known = Keywords().find(key);
  const std::string place = StepDown(context.node.place, key);
  if (known != Keywords().end()) return known->second({value, place, context});
  if (!IsAnnotation(key)) {
    RefuseSchema(place, "the keyword " + Quoted(key) + " is not supported");
  }
}

}  // namespace gemma3n
