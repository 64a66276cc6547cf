// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "constraint/test_accepts.h"

namespace gemma3n {
namespace {

TEST(Schema, Smoke) {
  EXPECT_TRUE(
      Accepts(R"({"type":"object"})", R"({"a": [1, 2.5e3, "x\n", null, true, {"b": {}}]})"));
  EXPECT_FALSE(Accepts(R"({"type":"object"})", R"([])"));
  const char* s =
      R"({"type":"object","properties":{"a":{"type":"integer","minimum":3,"maximum":120},"b":{"type":"string","maxLength":3},"c":{"type":"string","format":"date"}},"required":["a"]})";
  EXPECT_TRUE(Accepts(s, R"({"a": 3})"));
  EXPECT_FALSE(Accepts(s, R"({"a": 2})"));
  EXPECT_FALSE(Accepts(s, R"({"a": 121})"));
  EXPECT_TRUE(Accepts(s, R"({"a":120,"b":"\ud83d\ude00éx"})"));
  EXPECT_FALSE(Accepts(s, R"({"a":120,"b":"abcd"})"));
  EXPECT_TRUE(Accepts(s, R"({"a":120,"b":"abc","c":"2024-02-29"})"));
  EXPECT_FALSE(Accepts(s, R"({"a":120,"b":"abc","c":"2023-02-29"})"));
}

TEST(ToolCalls, Smoke) {
  const std::vector<CallableTool> tools = {
      {"get_time",
       R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})"},
      {"now", ""}};
  const auto required = Constraint::ToolCalls(tools);
  EXPECT_TRUE(Accepts(*required, R"([{"name": "get_time", "parameters": {"city": "Oslo"}}])"));
  EXPECT_TRUE(
      Accepts(*required, R"([{"name":"now","parameters":{}}, {"name":"now","parameters":{}}])"));
  EXPECT_FALSE(Accepts(*required, R"([])"));
  EXPECT_FALSE(Accepts(*required, R"([{"name": "later", "parameters": {}}])"));
  EXPECT_FALSE(Accepts(*required, "Hello"));
  const auto free = Constraint::ToolCalls(tools, {.required = false});
  EXPECT_TRUE(Accepts(*free, "Hello"));
  EXPECT_TRUE(Accepts(*free, "[1] see"));
  EXPECT_TRUE(Accepts(*free, ""));
  EXPECT_TRUE(Accepts(*free, R"( [ {"name": "now", "parameters": {}}])"));
  EXPECT_FALSE(Accepts(*free, R"([{"name": "later"}])"));
  EXPECT_FALSE(Accepts(*free, R"([{"name": "now", "parameters": {}}] and)"));
}

TEST(Cache, Smoke) {
  ConstraintCache cache;
  const auto a = cache.FromJsonSchema("{}");
  EXPECT_EQ(a, cache.FromJsonSchema("{}"));
  EXPECT_NE(a, cache.JsonObject());
  EXPECT_EQ(cache.size(), 2u);
}

}  // namespace
}  // namespace gemma3n
