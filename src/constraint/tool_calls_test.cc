// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "constraint/test_accepts.h"

namespace gemma3n {
namespace {

const std::vector<CallableTool> kTools = {
    {"get_time",
     R"({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})"},
    {"now", ""}};

TEST(ToolCalls, NamesAndArgumentsAreThoseDeclared) {
  const auto calls = Constraint::ToolCalls(kTools);
  for (const char* text : {R"([{"name": "get_time", "parameters": {"city": "Oslo"}}])",
                           R"([{"name":"now","parameters":{}}, {"name":"now","parameters":{}}])",
                           "[ { \"name\": \"now\",\n\"parameters\": { } } ]"}) {
    EXPECT_TRUE(Accepts(*calls, text)) << text;
  }
  for (const char* text :
       {"[]", "", "Hello", R"({"name": "now", "parameters": {}})",
        R"([{"name": "later", "parameters": {}}])", R"([{"name": "now", "parameters": {"a": 1}}])",
        R"([{"name": "get_time", "parameters": {}}])", R"([{"name": "now", "parameters": {}}] )",
        R"([{"name": "now"}])"}) {
    EXPECT_FALSE(Accepts(*calls, text)) << text;
  }
}

TEST(ToolCalls, OneWhereCallsAreNotParallel) {
  const auto one = Constraint::ToolCalls(kTools, {.parallel = false});
  EXPECT_TRUE(Accepts(*one, R"([{"name":"now","parameters":{}}])"));
  EXPECT_FALSE(Accepts(*one, R"([{"name":"now","parameters":{}},{"name":"now","parameters":{}}])"));
}

TEST(ToolCalls, AnyTextUnlessItBeginsAsACall) {
  const auto free = Constraint::ToolCalls(kTools, {.required = false});
  for (const char* text :
       {"", "Hello", "[1] see", "[", "[{", "[{\"name", "[{\"name\"", "[{\"nome\": 1}]",
        "[{\"name\"]", "See [{\"name\": \"later\"}]", "{\"name\": 1}", "\xff\xfe",
        " [ {\"name\": \"now\", \"parameters\": {}}]",
        "[\n  {\n    \"name\" : \"now\", \"parameters\": {}}]"}) {
    EXPECT_TRUE(Accepts(*free, text)) << text;
  }
  for (const char* text : {"[{\"name\":", "[{\"name\": \"later\"}]", "  [ { \"name\" : 1}]",
                           "[{\"name\": \"now\", \"parameters\": {}}] and"}) {
    EXPECT_FALSE(Accepts(*free, text)) << text;
  }
}

TEST(ToolCalls, CallsOrAValueOfAnotherSchema) {
  const auto either = Constraint::ToolCalls(
      kTools,
      {.required = false,
       .otherwise =
           R"({"type": "object", "properties": {"name": {"enum": ["now", "never"]}}, "required": ["name"]})"});
  for (const char* text :
       {R"({"name": "never"})", R"([{"name":"now","parameters":{}}])",
        R"([ {"name":"now","parameters":{}}, {"name": "get_time", "parameters": {"city": ""}}])"}) {
    EXPECT_TRUE(Accepts(*either, text)) << text;
  }
  for (const char* text :
       {"", "Hello", "{}", "[]", R"({"name": "later"})", R"([{"name": "now"}])",
        R"([{"name": "never", "parameters": {}}])", R"({"name": "now", "parameters": {}})",
        R"({"name": "now"}[{"name":"now","parameters":{}}])",
        R"([{"name":"now","parameters":{}}]{"name": "now"})"}) {
    EXPECT_FALSE(Accepts(*either, text)) << text;
  }
  // It has no say where calls are required.
  const auto calls = Constraint::ToolCalls(kTools, {.otherwise = R"({"type": "object"})"});
  EXPECT_FALSE(Accepts(*calls, "{}"));
}

TEST(ToolCalls, WhatCouldBeTakenForCallsIsRefused) {
  const auto trouble = [](const std::string& otherwise) -> std::string {
    try {
      Constraint::ToolCalls(kTools, {.required = false, .otherwise = otherwise});
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  for (const char* schema :
       {"{}", "true", R"({"type": "array"})", R"({"type": ["object", "array"]})",
        R"({"type": "array", "items": {"type": "object", "properties": {"name": {}}}})",
        R"({"anyOf": [{"type": "null"}, {"const": [{"name": 1}]}]})"}) {
    EXPECT_EQ(trouble(schema),
              "/otherwise: a list of objects with a name cannot be told from calls of functions")
        << schema;
  }
  for (const char* schema :
       {R"({"type": "array", "items": {"type": "string"}})",
        R"({"type": "array", "items": {"type": "object", "properties": {"names": {}}}})",
        R"({"type": "string"})"}) {
    EXPECT_EQ(trouble(schema), "") << schema;
  }
  EXPECT_TRUE(trouble(R"({"type": "object", "properties": {"a": {"pattern": "("}}})")
                  .starts_with("/otherwise/properties/a/pattern: "));
}

TEST(ToolCalls, TheCacheKnowsTheOtherSchema) {
  ConstraintCache cache;
  const auto made = [&](const char* otherwise) {
    return cache.ToolCalls(kTools, {.required = false, .otherwise = otherwise});
  };
  const auto numbers = made(R"({"type": "integer"})");
  EXPECT_NE(made(R"({"type": "boolean"})"), numbers);
  EXPECT_EQ(made(R"({"type": "integer"})"), numbers);
}

TEST(ToolCalls, WhatIsNotStrictAndCannotBeCompiledTakesAnyObject) {
  const std::string unsupported = R"({"type": "object", "patternProperties": {}})";
  const auto calls = Constraint::ToolCalls({{"a", unsupported}, kTools[0]});
  EXPECT_TRUE(Accepts(*calls, R"([{"name":"a","parameters":{"x":[1]}}])"));
  EXPECT_FALSE(Accepts(*calls, R"([{"name":"a","parameters":[]}])"));
  // The other one is still held.
  EXPECT_FALSE(Accepts(*calls, R"([{"name":"get_time","parameters":{"x":1}}])"));
  EXPECT_THROW(Constraint::ToolCalls({{"a", unsupported, /*strict=*/true}}), Error);
}

TEST(ToolCalls, ReferencesAreWithinEachToolsSchema) {
  const auto calls = Constraint::ToolCalls(
      {{"a",
        R"({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"n": {"$ref": "#/$defs/i"}}}, "i": {"const": 1}}})",
        true},
       {"b",
        R"({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"m": {"const": 2}}}}})",
        true}});
  EXPECT_TRUE(
      Accepts(*calls, R"([{"name":"a","parameters":{"n":1}},{"name":"b","parameters":{"m":2}}])"));
  EXPECT_FALSE(Accepts(*calls, R"([{"name":"b","parameters":{"n":1}}])"));
}

TEST(OneOf, ExactlyOneOfTheTexts) {
  const auto words = Constraint::OneOf({"yes", "yes and no", "no", "é"});
  for (const char* text : {"yes", "yes and no", "no", "é"}) EXPECT_TRUE(Accepts(*words, text));
  for (const char* text : {"", "ye", "yes ", "yes and", "\"yes\""}) {
    EXPECT_FALSE(Accepts(*words, text)) << text;
  }
  EXPECT_THROW(Constraint::OneOf({"a", ""}), Error);
  EXPECT_THROW(Constraint::OneOf({}), Error);
}

}  // namespace
}  // namespace gemma3n
