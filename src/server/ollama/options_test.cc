// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/ollama/names.h"

namespace gemma3n::server {
namespace {

using testing::HasSubstr;

double SecondsOf(const Json& json) {
  return ReadSeconds(Field(json, "keep_alive"));
}

TEST(OllamaSeconds, AreANumberOrADurationAsGoWritesIt) {
  EXPECT_EQ(SecondsOf("5m"), 300);
  EXPECT_EQ(SecondsOf("1h30m"), 5400);
  EXPECT_EQ(SecondsOf("-1.5h"), -5400);
  EXPECT_DOUBLE_EQ(SecondsOf("250ms"), 0.25);
  EXPECT_EQ(SecondsOf("0"), 0);
  EXPECT_EQ(SecondsOf("+10s"), 10);
  EXPECT_EQ(SecondsOf(-1), -1);
  EXPECT_EQ(SecondsOf(2.5), 2.5);
}

TEST(OllamaSeconds, RefusesTheRest) {
  for (const Json& wrong : {Json(""), Json("-"), Json("5"), Json("m"), Json("5 m"), Json("5m "),
                            Json("1e3s"), Json("nans"), Json("infs"), Json("99999999999h"),
                            Json(true), Json(Json::array()), Json(1e300)}) {
    EXPECT_THROW(SecondsOf(wrong), Refusal) << wrong;
  }
}

TEST(OllamaNames, HaveATag) {
  EXPECT_EQ(WithTag("nano"), "nano:latest");
  EXPECT_EQ(WithTag("nano:q4"), "nano:q4");
  EXPECT_EQ(WithTag("host:5000/library/nano"), "host:5000/library/nano:latest");
  EXPECT_EQ(WithTag(""), ":latest");
}

}  // namespace
}  // namespace gemma3n::server
