// SPDX-License-Identifier: Apache-2.0
// What each keyword lets through.
#include <gtest/gtest.h>

#include "constraint/test_accepts.h"

namespace gemma3n {
namespace {

// Each text after `yes` is let through, each one after `no` is not.
void Check(std::string_view schema, const std::vector<std::string>& yes,
           const std::vector<std::string>& no) {
  SCOPED_TRACE(schema);
  const auto constraint = Constraint::FromJsonSchema(schema);
  for (const std::string& text : yes) EXPECT_TRUE(Accepts(*constraint, text)) << text;
  for (const std::string& text : no) EXPECT_FALSE(Accepts(*constraint, text)) << text;
}

TEST(Schema, TypeAndLists) {
  Check(R"({"type": "null"})", {"null"}, {"nul", "nulll", "true", "", " null"});
  Check(R"({"type": "boolean"})", {"true", "false"}, {"True", "0"});
  Check(R"({"type": "integer"})", {"0", "-7", "123456789012345678"},
        {"01", "-0", "+1", "1.0", "1e3", "-", "1234567890123456789"});
  Check(R"({"type": "number"})", {"0", "-0.5", "1e5", "1.25E-07", "3"},
        {".5", "1.", "1e", "00", "1e999", "NaN", "Infinity", "0x1"});
  Check(R"({"type": ["string", "null"]})", {"null", R"("")"}, {"0", "{}"});
  Check(R"({"type": ["integer", "number"]})", {"1", "1.5"}, {"null"});
}

TEST(Schema, BooleansAndAnyValue) {
  for (const char* any : {"true", "{}"}) {
    Check(any, {"null", "[1,[2,{}]]", R"({"a":{"b":[]}})", "-1.5e2"}, {"", "[1,]", "{,}", "nul"});
  }
  EXPECT_NE(Refusal("false"), "");
}

TEST(Schema, Strings) {
  Check(R"({"type": "string"})",
        {R"("")", R"("é日🙂")", R"("\n\"\\\/\b\f\r\t")", R"("\u00e9\uD83D\ude00")"},
        {R"("\x")", R"("\u00g0")", R"("\ud83d")", R"("\ud83dx")", R"("\ude00")", "\"\n\"",
         "\"\x01\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", R"("a)", R"('a')"});
}

TEST(Schema, LengthsCountCharacters) {
  Check(R"({"type": "string", "minLength": 2, "maxLength": 3})",
        {R"("ab")", R"("日🙂é")", R"("\ud83d\ude00\n")"}, {R"("a")", R"("abcd")", R"("🙂")"});
  Check(R"({"type": "string", "maxLength": 0})", {R"("")"}, {R"("a")"});
  Check(R"({"type": "string", "minLength": 3})", {R"("abc")", R"("abcdefgh")"}, {R"("ab")"});
  // Of no account for other types.
  Check(R"({"minLength": 3})", {"1", "null", R"("abc")"}, {R"("ab")"});
  Check(R"({"type": "string", "maxLength": 1e30})", {R"("a")"}, {});
}

TEST(Schema, PatternsAreSearchedFor) {
  Check(R"({"type": "string", "pattern": "b+"})", {R"("b")", R"("abbc")"}, {R"("ac")"});
  Check(R"({"type": "string", "pattern": "^a.c$"})", {R"("abc")", R"("a日c")", R"("a\"c")"},
        {R"("abcd")", R"("a\nc")", R"("xabc")"});
  Check(R"({"type": "string", "pattern": "^(a|bc)*$", "minLength": 3, "maxLength": 4})",
        {R"("aaa")", R"("abc")", R"("bcbc")"}, {R"("aa")", R"("abcbc")"});
  // The characters of the pattern, however they are written.
  Check(R"({"type": "string", "pattern": "^[a-c]\"$"})", {R"("a\"")", R"("\u0061\u0022")"},
        {R"("d\"")", R"("\u0064\"")"});
  Check(R"({"pattern": "^a", "allOf": [{"pattern": "b$"}], "type": "string"})",
        {R"("ab")", R"("axb")"}, {R"("a")", R"("b")"});
}

TEST(Schema, FormatsAreValidValues) {
  const auto format = [](const std::string& name) {
    return R"({"type": "string", "format": ")" + name + R"("})";
  };
  Check(format("date"),
        {R"("2024-02-29")", R"("2000-02-29")", R"("0001-01-01")", R"("2023-12-31")"},
        {R"("2023-02-29")", R"("1900-02-29")", R"("2023-02-31")", R"("2023-04-31")",
         R"("0000-01-01")", R"("2023-13-01")", R"("2023-00-10")", R"("2023-1-1")"});
  Check(format("time"), {R"("23:59:59Z")", R"("00:00:00.5+01:30")"},
        {R"("24:00:00Z")", R"("12:60:00Z")", R"("12:00:60Z")", R"("12:00:00")", R"("12:00:00.Z")"});
  Check(format("date-time"), {R"("2024-02-29T10:00:00Z")"},
        {R"("2023-02-29T10:00:00Z")", R"("2024-02-29 10:00:00Z")", R"("2024-02-29")"});
  Check(format("uuid"), {R"("123e4567-e89b-12d3-a456-42661417400F")"},
        {R"("123e4567e89b12d3a45642661417400f")", R"("g23e4567-e89b-12d3-a456-426614174000")"});
  Check(format("email"), {R"("a@b.de")", R"("first.last+tag@mail.example.com")"},
        {R"("a@b")", R"("@b.de")", R"("a@-b.de")", R"("a..b@c.de")", R"(".a@c.de")",
         R"("a b@c.de")"});
  Check(format("ipv4"), {R"("0.0.0.0")", R"("255.249.99.1")"},
        {R"("256.1.1.1")", R"("1.1.1")", R"("01.1.1.1")", R"("1.1.1.1.1")"});
  Check(format("ipv6"),
        {R"("::")", R"("::1")", R"("1::")", R"("2001:db8::8:800:200c:417a")",
         R"("1:2:3:4:5:6:7:8")", R"("::ffff:1.2.3.4")", R"("1:2:3:4:5:6:7::")"},
        {R"("1:2:3:4:5:6:7")", R"("1::2::3")", R"("12345::")", R"("1:2:3:4:5:6:7:8:9")", R"(":")",
         R"("1:2:3:4:5:6:7:8::")"});
  EXPECT_EQ(Refusal(format("uri")), "/format: the format 'uri' is not supported");
}

TEST(Schema, BoundsOfIntegers) {
  Check(R"({"type": "integer", "minimum": -12, "maximum": 105})", {"-12", "-9", "0", "99", "105"},
        {"-13", "-20", "106", "200", "1000", "-0"});
  Check(R"({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10})", {"1", "9"},
        {"0", "10", "-1"});
  Check(R"({"type": "integer", "minimum": 0.5, "maximum": 3.5})", {"1", "3"}, {"0", "4"});
  Check(R"({"type": "integer", "maximum": -100})", {"-100", "-99999"}, {"-99", "0", "100"});
  Check(R"({"type": "integer", "multipleOf": 7, "minimum": 10})", {"14", "700", "7000007"},
        {"7", "15", "0"});
  Check(R"({"type": "integer", "format": "int32"})", {"2147483647", "-2147483648"},
        {"2147483648", "-2147483649"});
  EXPECT_NE(Refusal(R"({"type": "integer", "minimum": 3, "maximum": 2})"), "");
  EXPECT_NE(Refusal(R"({"type": "integer", "minimum": 1, "maximum": 6, "multipleOf": 7})"), "");
}

TEST(Schema, BoundsOfNumbers) {
  Check(R"({"type": "number", "minimum": 0, "maximum": 1})",
        {"0", "0.0", "0.5", "1", "1.0", "1.000", "0.99999"},
        {"-0.1", "1.1", "1.0001", "2", "-0", "1e-3"});
  Check(R"({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})",
        {"0.5", "0.001", "0.99"}, {"0", "0.0", "1", "1.0", "1.5"});
  Check(R"({"type": "number", "minimum": -2.75, "maximum": -0.5})", {"-2.75", "-2.7", "-0.5", "-1"},
        {"-2.76", "-0.49", "0", "-3"});
  Check(R"({"type": "number", "multipleOf": 5})", {"5", "-10"}, {"5.0", "3"});
  EXPECT_NE(Refusal(R"({"type": "number", "multipleOf": 0.01})"), "");
}

TEST(Schema, EnumAndConst) {
  Check(R"({"enum": ["a", "ab", 1, null, [1, "x"], {"k": 2}]})",
        {R"("a")", R"("ab")", "1", "null", R"([1,"x"])", R"({"k":2})"}, {R"("b")", "2", "[1]"});
  Check(R"({"const": "é\n\""})", {R"("é\n\"")"}, {R"("é")"});
  Check(R"({"enum": [1, "abc", "x", 7.5], "type": "string", "minLength": 2})", {R"("abc")"},
        {"1", R"("x")", "7.5"});
  Check(R"({"enum": [1, 5, 9], "minimum": 4, "const": 5})", {"5"}, {"1", "9"});
  EXPECT_NE(Refusal(R"({"enum": ["a"], "const": "b"})"), "");
  Check(R"({"const": 9007199254740993})", {"9007199254740993"}, {"9007199254740992"});
  EXPECT_NE(Refusal(R"({"const": [{"a": 12345678901234567890123}]})"), "");
}

TEST(Schema, Arrays) {
  Check(R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
        {"[1]", "[1, 2]", "[ 1,\n2,3 ]"}, {"[]", "[1,2,3,4]", "[1,]", "[,1]", "[1 ,2]", "[1,  2]"});
  Check(R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}})",
        {"[]", "[1]", "[1,2]", "[1,2,3,3]"}, {"[2]", "[1,2,2]"});
  Check(R"({"type": "array", "prefixItems": [{"const": 1}], "items": false})", {"[]", "[1]"},
        {"[1,1]"});
  Check(R"({"type": "array", "prefixItems": [{"const": 1}], "minItems": 2})", {R"([1,"x"])"},
        {"[1]"});
  Check(R"({"type": "array", "maxItems": 0})", {"[]", "[ ]"}, {"[1]", "[  ]"});
  EXPECT_NE(Refusal(R"({"type": "array", "items": false, "minItems": 1})"), "");
}

TEST(Schema, ObjectsInTheOrderOfTheSchema) {
  Check(
      R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}},
            "required": ["b"]})",
      {R"({"a":1,"b":2,"c":3})", R"({ "b": 2 })", R"({"b":2, "c": 3})",
       "{\n\"a\": 1,\n\"b\": 2\n}"},
      {"{}", R"({"a":1})", R"({"b":2,"a":1})", R"({"a":1,"b":2,"d":4})", R"({"a":1 ,"b":2})",
       R"({"b":2,})", R"({,"b":2})", R"({"b":2,"b":2})"});
  Check(R"({"type": "object", "properties": {"a/b\"": {"type": "null"}}, "required": ["a/b\""]})",
        {R"({"a/b\"":null})"}, {"{}"});
}

TEST(Schema, AdditionalMembers) {
  const std::string with_a = R"({"type": "object", "properties": {"a": {"const": 1}})";
  Check(with_a + "}", {"{}", R"({"a":1})"}, {R"({"a":1,"x":0})"});
  Check(with_a + R"(, "additionalProperties": false})", {R"({"a":1})"}, {R"({"x":0})"});
  Check(with_a + R"(, "additionalProperties": {"type": "boolean"}})",
        {R"({"a":1,"x":true})", R"({"ab":true,"":false})", R"({"x":true})"},
        {R"({"a":true})", R"({"a":1,"a":true})", R"({"\u0061":true})", R"({"x":0})"});
  Check(R"({"type": "object"})", {"{}", R"({"x":[{}]})"}, {"[]"});
  Check(R"({"type": "object", "properties": {}})", {"{}"}, {R"({"x":1})"});
  // What is required and not described is anything.
  Check(R"({"type": "object", "properties": {"a": {"const": 1}}, "required": ["z"]})",
        {R"({"z":null})", R"({"a":1,"z":[]})"}, {R"({"a":1})"});
  EXPECT_NE(Refusal(R"({"type": "object", "required": ["a"], "additionalProperties": false})"), "");
}

TEST(Schema, NumbersOfMembers) {
  const std::string members =
      R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}},)";
  Check(members + R"("minProperties": 2})", {R"({"a":1,"c":3})", R"({"a":1,"b":2,"c":3})"},
        {"{}", R"({"b":2})"});
  Check(members + R"("maxProperties": 1})", {"{}", R"({"c":3})"}, {R"({"a":1,"b":2})"});
  Check(R"({"type": "object", "minProperties": 1, "maxProperties": 2})",
        {R"({"x":1})", R"({"x":1,"y":2})"}, {"{}", R"({"x":1,"y":2,"z":3})"});
  EXPECT_NE(Refusal(R"({"type": "object", "minProperties": 3})"), "");
  EXPECT_NE(Refusal(members + R"("minProperties": 4})"), "");
}

TEST(Schema, AnyOfAllOfOneOf) {
  Check(R"({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}},
                      {"type": "object", "properties": {"b": {"const": 2}}}]})",
        {"3", R"({"a":1})", R"({"b":2})"}, {R"({"a":1,"b":2})", "null"});
  Check(R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}], "enum": [1, 4, 6]})",
        {"4"}, {"1", "6", "3"});
  Check(
      R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                      {"properties": {"a": {"minimum": 5}, "b": {"const": 1}}}]})",
      {R"({"a":5})", R"({"a":7,"b":1})"}, {R"({"a":4})", R"({"b":1})"});
  Check(R"({"oneOf": [{"type": "string"}, {"type": "array"}]})", {R"("x")", "[]"}, {"1"});
  Check(R"({"oneOf": [
          {"type": "object", "required": ["k"], "properties": {"k": {"const": "a"}, "x": true}},
          {"type": "object", "required": ["k"], "properties": {"k": {"enum": ["b", "c"]}}}]})",
        {R"({"k":"a","x":[]})", R"({"k":"c"})"}, {R"({"k":"b","x":1})", "{}"});
  Check(R"({"oneOf": [{"type": "object", "required": ["a"], "properties": {"a": true}},
                      {"type": "object", "required": ["b"], "properties": {"b": true}}]})",
        {R"({"a":1})", R"({"b":1})"}, {R"({"a":1,"b":1})", "{}"});
}

TEST(Schema, OneOfWhoseBranchesMayBothHoldIsRefused) {
  for (const char* schema : {
           R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})",
           R"({"oneOf": [{"const": 1}, {"const": 1.0}]})",
           R"({"oneOf": [{"type": "string", "maxLength": 3}, {"type": "string"}]})",
           R"({"oneOf": [{"type": "object"}, {"type": "object", "required": ["a"]}]})",
           // What lies beside the choice writes the member that would tell them apart.
           R"({"properties": {"a": true, "b": true}, "type": "object",
               "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})",
       }) {
    EXPECT_EQ(Refusal(schema).substr(0, 27), "/oneOf: branches 0 and 1 ma") << schema;
  }
}

TEST(Schema, References) {
  Check(
      R"({"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "required": ["v"], "properties": {
            "v": {"type": "integer"}, "next": {"$ref": "#/$defs/t"}}}}})",
      {R"({"v":1})", R"({"v":1,"next":{"v":2,"next":{"v":3}}})"}, {R"({"next":{"v":1}})"});
  Check(R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
  Check(
      R"({"$ref": "#/definitions/a~1b%25/items", "definitions": {"a/b%": {"items": {"const": 7}}}})",
      {"7"}, {"8"});
  // Beside a reference other keywords hold, too.
  Check(R"({"$ref": "#/$defs/n", "minimum": 5, "$defs": {"n": {"type": "integer"}}})", {"5"},
        {"4"});
}

TEST(Schema, NestingEndsWhereReadersOfJsonDo) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  const auto any = Constraint::FromJsonSchema(R"({"type": "array"})");
  EXPECT_TRUE(Accepts(*any, nested(60)));
  EXPECT_FALSE(Accepts(*any, nested(80)));
}

TEST(Schema, AnnotationsAskForNothing) {
  Check(R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t", "x-order": 3,
            "description": "d", "default": 5, "examples": [1], "type": "integer", "$comment": "c",
            "deprecated": true, "readOnly": false, "writeOnly": false, "$id": "https://a/b"})",
        {"1"}, {"null"});
}

TEST(Schema, WhatIsNotSupportedIsRefusedWithItsPlace) {
  for (const char* keyword :
       {"not", "if", "then", "else", "dependentSchemas", "dependentRequired", "patternProperties",
        "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains", "minContains",
        "$dynamicRef", "$anchor", "contentEncoding", "nullable", "requierd"}) {
    const std::string schema =
        std::string(R"({"properties": {"a~/b": {")") + keyword + R"(": {}}}})";
    EXPECT_EQ(Refusal(schema), "/properties/a~0~1b/" + std::string(keyword) + ": the keyword '" +
                                   keyword + "' is not supported");
  }
  EXPECT_EQ(Refusal(R"({"uniqueItems": true})"), "/uniqueItems: uniqueItems is not supported");
  EXPECT_EQ(Refusal(R"({"uniqueItems": false, "const": 1})"), "");
}

TEST(Schema, WrongValuesAreRefusedWithTheirPlace) {
  EXPECT_EQ(
      Refusal(R"({"type": "text"})"),
      "/type: expected null, boolean, integer, number, string, array or object, found 'text'");
  EXPECT_EQ(Refusal(R"({"minLength": -1})"), "/minLength: expected an integer from 0 on, found -1");
  EXPECT_EQ(Refusal(R"({"properties": {"a": 3}})"), "/properties/a: expected a schema, found 3");
  EXPECT_EQ(Refusal(R"({"enum": []})"),
            "/enum: expected a list of at least one value, found a list of 0");
  for (const char* schema :
       {"", "3", "[]", "{", R"({"a": 1, "a": 2})", R"({"required": "a"})", R"({"items": [{}]})",
        R"({"anyOf": []})", R"({"anyOf": {}})", R"({"required": [1]})", R"({"pattern": 1})",
        R"({"multipleOf": 0})", R"({"minimum": "1"})", R"({"format": 1})", R"({"$ref": 1})",
        R"({"maxLength": 1.5})", R"({"type": []})"}) {
    EXPECT_NE(Refusal(schema), "") << schema;
  }
}

}  // namespace
}  // namespace gemma3n
