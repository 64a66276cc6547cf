// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/json_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string ParseMessage(const std::string& text) {
  return MessageOf([&] { JsonValue::Parse(text, "x.json"); });
}

TEST(JsonValue, ReadsTypesAndPaths) {
  const JsonValue root = JsonValue::Parse(
      R"({"a": {"b": [1, 2.0, "x\u00e9"]}, "t": true, "n": null, "big": 3.5})", "c.json");
  const std::vector<JsonValue> items = root["a"]["b"].Items();
  EXPECT_EQ(items[0].Int(), 1);
  EXPECT_EQ(items[1].Int(), 2);
  EXPECT_EQ(items[2].String(), "x\xc3\xa9");
  EXPECT_TRUE(root["t"].Bool());
  EXPECT_TRUE(root["n"].IsNull());
  EXPECT_EQ(root["missing"]["deeper"].IntOr(7), 7);
  EXPECT_THAT(root.Keys(), ElementsAre("a", "t", "n", "big"));
  EXPECT_EQ(items[2].Where(), "c.json: a.b[2]");
  EXPECT_EQ(root["a"].Dump(), R"({"b":[1,2.0,"xé"]})");
}

TEST(JsonValue, ErrorsNamePlaceExpectedAndFound) {
  const JsonValue root = JsonValue::Parse(R"({"a": {"b": -3, "c": "x"}})", "c.json");
  EXPECT_EQ(MessageOf([&] { root["a"]["b"].Int(1, 10); }),
            "c.json: a.b: expected an integer in [1, 10], found -3");
  EXPECT_EQ(MessageOf([&] { root["a"]["c"].Number(); }),
            "c.json: a.c: expected a number, found \"x\"");
  EXPECT_EQ(MessageOf([&] { root["a"]["d"].Int(); }),
            "c.json: a.d: expected an integer, found nothing");
  EXPECT_EQ(MessageOf([&] { root["a"].Items(); }), "c.json: a: expected a list, found an object");
}

TEST(JsonValue, hostile_D01_DeepNestingIsRefused) {
  const std::string deep = std::string(1000000, '[');
  EXPECT_THAT(ParseMessage(deep), HasSubstr("nested deeper than 64"));
  EXPECT_EQ(ParseMessage(std::string(64, '[') + std::string(64, ']')), "no error");
}

TEST(JsonValue, hostile_D01_BrokenTextIsRefused) {
  EXPECT_THAT(ParseMessage(R"({"a":1,"a":2})"), HasSubstr("stands twice"));
  EXPECT_THAT(ParseMessage("{\"a\":\"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(ParseMessage(R"({"a":1e999})"), HasSubstr("number overflow"));
  for (const char* text : {"", "{", "[1,]", "{} {}", "NaN", "{\"a\":}", "\"\\ud800\""}) {
    EXPECT_THAT(ParseMessage(text), HasSubstr("x.json: expected a JSON text")) << text;
  }
}

TEST(JsonValue, hostile_D01_NumbersKeepTheirRange) {
  const JsonValue root =
      JsonValue::Parse("[9223372036854775807, 18446744073709551615, 1.5, 1e300]", "x");
  EXPECT_EQ(root.Items()[0].Int(), std::numeric_limits<int64_t>::max());
  for (int i : {1, 2, 3}) EXPECT_THROW(root.Items()[i].Int(), Error);
}

TEST(JsonValue, SpecialFilesAreRefused) {
  EXPECT_THROW(JsonValue::Load("/dev/zero"), Error);
  EXPECT_THROW(JsonValue::Load("/tmp"), Error);
  EXPECT_THROW(JsonValue::Load("/nonexistent.json"), Error);
}

}  // namespace
}  // namespace gemma3n
