// SPDX-License-Identifier: Apache-2.0
#include "server/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

using testing::HasSubstr;

template <class Fn>
Refusal RefusalOf(const Fn& fn) {
  try {
    fn();
  } catch (const Refusal& refusal) {
    return refusal;
  }
  ADD_FAILURE() << "nothing was refused";
  return {Reason::kInternal, ""};
}

std::string TroubleWith(const std::string& text) {
  const Refusal refusal = RefusalOf([&] { ParseJson(text); });
  EXPECT_EQ(refusal.reason, Reason::kInvalidJson);
  return refusal.what();
}

std::string Nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Json, IsReadAsItIs) {
  const Json read = ParseJson(R"({"a":[1,-2,3.5,true,null,"x\u00e9"],"b":{"c":{}}})");
  EXPECT_EQ(read, Json::parse(R"({"a":[1,-2,3.5,true,null,"xé"],"b":{"c":{}}})"));
  EXPECT_EQ(ParseJson(R"({"b":1,"a":{"d":1,"c":2}})").dump(), R"({"b":1,"a":{"d":1,"c":2}})");
  EXPECT_EQ(ParseJson("18446744073709551615"), Json(UINT64_MAX));
  EXPECT_EQ(ParseJson("\xef\xbb\xbf[]"), Json::array());
}

TEST(Json, NestsNoDeeperThan64) {
  EXPECT_EQ(ParseJson(Nested(64)).size(), 1u);
  EXPECT_THAT(TroubleWith(Nested(65)), HasSubstr("deeper than 64"));
  EXPECT_THAT(TroubleWith(std::string(1'000'000, '[')), HasSubstr("deeper than 64"));
}

// In the same run, so that the machine does not matter: what nests in objects that grow takes no
// longer than what nests in objects of one member.
TEST(Json, TakesAsLongAsItIs) {
  const auto seconds = [](const std::string& more) {
    std::string text = "[0";
    for (int i = 0; i < 50'000; ++i) text += ",0";
    text += "]";
    for (int depth = 0; depth < 60; ++depth) text = "{\"\":" + text + more + "}";
    const std::clock_t begin = std::clock();
    EXPECT_TRUE(ParseJson(text).is_object());
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  const double plain = seconds("");
  EXPECT_LT(seconds(R"(,"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0)"), 10 * plain + 0.01);
}

TEST(Json, HasEachKeyOnce) {
  EXPECT_THAT(TroubleWith(R"({"a":1,"b":{"a":1},"a":2})"), HasSubstr("'a' comes twice"));
  ParseJson(R"({"a":1,"b":{"a":1}})");
}

TEST(Json, OfAModelMayHaveAKeyTwice) {
  EXPECT_TRUE(IsJsonObject(R"({"a":1,"b":{"c":[1],"c":{}},"a":{"a":2}})"));
  for (const char* const text : {R"([{"a":1}])", "1", "", R"({"a":1)", R"({"a":1e400})", "{} {}"}) {
    EXPECT_FALSE(IsJsonObject(text)) << text;
  }
}

TEST(Json, hostile_J03_NumbersBeyond64BitsAreNamed) {
  for (const auto& [text, param] : std::vector<std::pair<std::string, std::string>>{
           {R"({"a":1,"seed":18446744073709551616})", "seed"},
           {R"({"a":{"b":[1,{"c":2},-9223372036854775809]}})", "a.b[2]"},
           {R"({"a":{"b":[[],{"c":[1e400]}]}})", "a.b[1].c[0]"},
           {"[-1e999]", "[0]"}}) {
    const Refusal refusal = RefusalOf([&] { ParseJson(text); });
    EXPECT_EQ(refusal.reason, Reason::kInvalidValue) << text;
    EXPECT_EQ(refusal.param, param);
    EXPECT_THAT(refusal.what(), HasSubstr(param + ": expected a"));
  }
  EXPECT_THAT(TroubleWith("1e400"), HasSubstr("body: expected a number of at most 1.8e308"));
  EXPECT_THAT(TroubleWith(R"({"a":NaN})"), HasSubstr("goes wrong at byte 6"));
  EXPECT_EQ(ParseJson("-0"), Json(0));
}

TEST(Json, HasAnEndOfValues) {
  std::string lists = "[";
  for (int i = 0; i < 5; ++i) {
    lists += "[0";
    for (int j = 1; j < 1 << 20; ++j) lists += ",0";
    lists += "],";
  }
  EXPECT_THAT(TroubleWith(lists + "0]"), HasSubstr("more than 4194304 values"));
}

class FieldTest : public testing::Test {
 protected:
  Refusal Complaint(const std::function<void(const Field&)>& read) {
    return RefusalOf([&] { read(root_); });
  }
  const Json json_ = ParseJson(
      R"({"text":"x","list":[{"n":3.0},{"n":2.5}],"big":18446744073709551615,"nothing":null,
          "low":-9223372036854775808,"half":0.5,"yes":true})");
  const Field root_{json_, ""};
};

TEST_F(FieldTest, NamesTheWayToWhatIsWrong) {
  const Refusal wrong =
      Complaint([](const Field& body) { body["list"].Items(2)[1]["n"].Integer(0, 9); });
  EXPECT_EQ(wrong.param, "list[1].n");
  EXPECT_EQ(wrong.reason, Reason::kInvalidValue);
  EXPECT_STREQ(wrong.what(), "list[1].n: expected an integer from 0 to 9, found 2.5");
  const Refusal missing = Complaint([](const Field& body) { body["what"]["ever"].Text(); });
  EXPECT_EQ(missing.param, "what.ever");
  EXPECT_EQ(missing.reason, Reason::kMissing);
  EXPECT_EQ(Complaint([](const Field& body) { body["text"]["x"].Text(); }).param, "text");
  EXPECT_EQ(Complaint([](const Field& body) { body["list"].Items(1); }).param, "list");
  EXPECT_THAT(Complaint([](const Field& body) {
                body["text"].Word({"a", "b"});
              }).what(),
              HasSubstr("one of 'a', 'b'"));
}

TEST_F(FieldTest, TakesNullForAbsence) {
  EXPECT_EQ(root_["nothing"].Integer(0, 1), std::nullopt);
  EXPECT_EQ(root_["never"].Number(0, 1), std::nullopt);
  EXPECT_TRUE(root_["nothing"].Flag(true));
  EXPECT_FALSE(root_["nothing"]["of"]["this"].present());
}

TEST_F(FieldTest, KeepsToItsRanges) {
  EXPECT_EQ(root_["list"].Items(2)[0]["n"].Integer(3, 3), 3);
  EXPECT_EQ(root_["low"].Integer(INT64_MIN, 0), INT64_MIN);
  EXPECT_EQ(root_["half"].Number(0.5, 0.5), 0.5);
  for (const auto& read : std::vector<std::function<void(const Field&)>>{
           [](const Field& body) { body["big"].Integer(INT64_MIN, INT64_MAX); },
           [](const Field& body) { body["big"].Integer(-5, -1); },
           [](const Field& body) { body["low"].Integer(-1, INT64_MAX); },
           [](const Field& body) { body["yes"].Integer(0, 1); },
           [](const Field& body) { body["yes"].Number(0, 1); },
           [](const Field& body) { body["half"].Number(0.6, 1); },
           [](const Field& body) { body["half"].Flag(false); },
           [](const Field& body) { body["list"].Text(); }}) {
    EXPECT_EQ(Complaint(read).reason, Reason::kInvalidValue);
  }
}

TEST_F(FieldTest, ListsWhatItWasNotAskedFor) {
  EXPECT_THAT(root_.Others({"text", "list", "half"}), testing::ElementsAre("big", "low", "yes"));
}

}  // namespace
}  // namespace gemma3n::server
