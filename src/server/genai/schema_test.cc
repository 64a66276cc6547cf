// SPDX-License-Identifier: Apache-2.0
#include "server/genai/schema.h"

#include <gtest/gtest.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

std::string Converted(const std::string& text) {
  const Json schema = Json::parse(text);
  return JsonSchemaOf(ProtoField(schema, "schema"));
}

std::string Refused(const std::string& text) {
  try {
    Converted(text);
  } catch (const Refusal& refusal) {
    return refusal.param;
  }
  return "nothing was refused";
}

TEST(GenAiSchema, HasTypesInSmallLetters) {
  EXPECT_EQ(Converted(R"({"type":"STRING"})"), R"({"type":"string"})");
  EXPECT_EQ(Converted(R"({"type":"integer","format":"int32"})"), R"({"type":"integer"})");
  EXPECT_EQ(Converted(R"({"type":"STRING","format":"date-time"})"),
            R"({"type":"string","format":"date-time"})");
  EXPECT_EQ(Converted(R"({"type":"TYPE_UNSPECIFIED"})"), "{}");
}

TEST(GenAiSchema, MembersComeInTheirOrder) {
  EXPECT_EQ(Converted(R"({"type":"OBJECT","properties":{"a":{"type":"NULL"},"b":{},"c":{}},
                    "property_ordering":["c","a"],"required":["b"]})"),
            R"({"type":"object","required":["b"],"properties":{"c":{},"a":{"type":"null"},"b":{}},)"
            R"("additionalProperties":false})");
}

// In the same run, so that the machine does not matter.
TEST(GenAiSchema, ManyPropertiesTakeAsLongAsTheyAre) {
  const auto seconds = [](int count, int times) {
    Json schema = {{"propertyOrdering", Json::array()}, {"properties", Json::object()}};
    for (int i = 0; i < count; ++i) {
      schema["propertyOrdering"].push_back(std::to_string(i));
      schema["properties"][std::to_string(i)] = Json::object();
    }
    const std::clock_t begin = std::clock();
    for (int i = 0; i < times; ++i) JsonSchemaOf(ProtoField(schema, "schema"));
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  EXPECT_LT(seconds(4096, 4), 6 * seconds(16, 1024) + 0.01);
}

// What nests is not copied for each object around it.
TEST(GenAiSchema, TakesAsLongAsItIs) {
  const auto seconds = [](const std::string& more) {
    std::string text = R"({"description":")" + std::string(1 << 20, 'x') + "\"}";
    for (int i = 0; i < 31; ++i) text = R"({"properties":{"a":)" + text + more + "}}";
    const Json schema = Json::parse(text);
    const std::clock_t begin = std::clock();
    JsonSchemaOf(ProtoField(schema, "schema"));
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  EXPECT_LT(seconds(R"(,"b":{},"c":{},"d":{},"e":{},"f":{},"g":{},"h":{},"i":{})"),
            4 * seconds("") + 0.01);
}

TEST(GenAiSchema, CountsMayBeTexts) {
  EXPECT_EQ(Converted(R"({"type":"ARRAY","minItems":"2","max_items":3,"items":{}})"),
            R"({"type":"array","minItems":2,"maxItems":3,"items":{}})");
  EXPECT_EQ(Converted(R"({"type":"INTEGER","minimum":1,"maximum":"9"})"),
            R"({"type":"integer","minimum":1,"maximum":9})");
  EXPECT_EQ(Converted(R"({"type":"NUMBER","minimum":0.5})"), R"({"type":"number","minimum":0.5})");
}

TEST(GenAiSchema, NullableIsAnAlternative) {
  EXPECT_EQ(Converted(R"({"type":"STRING","format":"enum","enum":["x"],"nullable":true})"),
            R"({"anyOf":[{"type":"string","enum":["x"]},{"type":"null"}]})");
}

TEST(GenAiSchema, SaysWhereItIsWrong) {
  EXPECT_EQ(Refused(R"({"type":"STRANGE"})"), "schema.type");
  EXPECT_EQ(Refused(R"({"anyOf":[{},{"type":"ARRAY","minItems":-1}]})"),
            "schema.anyOf[1].minItems");
  EXPECT_EQ(Refused(R"({"properties":{"a":{"$ref":"#"}}})"), "schema.properties.a");
  EXPECT_EQ(Refused(R"({"properties":{"a":{}},"propertyOrdering":["a","a"]})"),
            "schema.propertyOrdering[1]");
  EXPECT_EQ(Refused(R"({"maxItems":1,"max_items":1})"), "schema.maxItems");
  EXPECT_EQ(Refused("[]"), "schema");
}

TEST(GenAiSchema, NestsNoDeeperThan32) {
  std::string nested = "{}";
  for (int i = 0; i < 31; ++i) nested = R"({"items":)" + nested + "}";
  EXPECT_EQ(Refused(nested), "nothing was refused");
  EXPECT_NE(Refused(R"({"items":)" + nested + "}"), "nothing was refused");
}

TEST(ProtoField, IsFoundInBothSpellings) {
  const Json json = Json::parse(R"({"topK":1,"top_p":"0.5","max_output_tokens":"7","seed":null})");
  const ProtoField field(json, "");
  EXPECT_EQ(field["topK"].Integer(0, 9), 1);
  EXPECT_EQ(field["topP"].Number(0, 1), 0.5);
  EXPECT_EQ(field["maxOutputTokens"].Integer(0, 9), 7);
  EXPECT_FALSE(field["seed"].Integer(0, 9).has_value());
  EXPECT_EQ(field["topP"].path(), "topP");
  EXPECT_EQ(field.Others({"topK", "topP"}), std::vector<std::string>{"max_output_tokens"});
}

TEST(ProtoField, TakesNumbersOfTextAlone) {
  for (const char* wrong : {R"("")", R"("x")", R"("1x")", R"(" 1")", R"("inf")", R"("nan")", "true",
                            R"("1.5")", R"("9223372036854775808")"}) {
    const Json json = Json::parse(wrong);
    EXPECT_THROW(ProtoField(json, "x").Integer(0, INT64_MAX), Refusal) << wrong;
  }
}

TEST(StandardBase64, IsOfEitherAlphabet) {
  EXPECT_EQ(StandardBase64("-_8"), "+/8=");
  EXPECT_EQ(StandardBase64("QQ"), "QQ==");
  EXPECT_EQ(StandardBase64("QUJD"), "QUJD");
  EXPECT_EQ(StandardBase64("A"), "A");
}

}  // namespace
}  // namespace gemma3n::server
