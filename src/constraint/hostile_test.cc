// SPDX-License-Identifier: Apache-2.0
// Schemas, patterns and tools that somebody wrote to do harm.
#include <gtest/gtest.h>

#include <chrono>

#include "base/utf8.h"
#include "constraint/constraint_state.h"
#include "constraint/test_accepts.h"

namespace gemma3n {
namespace {

std::string Times(int count, const std::string& text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

std::string Pattern(const std::string& pattern) {
  return R"({"type": "string", "pattern": ")" + pattern + R"("})";
}

// Takes or refuses it soon. The limits of size decide, not that of time, which a busy machine or a
// sanitizer would meet first.
std::string Soon(const std::string& schema) {
  const auto begin = std::chrono::steady_clock::now();
  std::string refusal = Refusal(schema, {.compile_ms = 10'000});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  return refusal;
}

TEST(Constraint, S01_NestingAndReferences) {
  const auto nested = [](int depth) {
    return Times(depth, R"({"items": )") + "{}" + Times(depth, "}");
  };
  EXPECT_EQ(Refusal(nested(31)), "");
  EXPECT_EQ(Refusal(nested(32)), Times(32, "/items").substr(0) +
                                     ": expected schemas nested at most 32 deep, found more");
  EXPECT_NE(Refusal(nested(5000)), "");
  EXPECT_EQ(Refusal(R"({"$ref": "#"})"),
            "schema: expected a schema, found one that refers to itself alone (#)");
  EXPECT_NE(
      Refusal(
          R"({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}})"),
      "");
  for (const char* ref : {"https://example.com/s.json", "other.json#/a", "#/definitely/not/there",
                          "#name", "", "#/%zz", "/properties"}) {
    EXPECT_EQ(
        Refusal(R"({"properties": {"a": {"$ref": ")" + std::string(ref) + R"("}}})").substr(0, 26),
        "/properties/a/$ref: expect")
        << ref;
  }
  // A value that would have to hold itself without end.
  EXPECT_EQ(Refusal(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"),
            "schema: nothing can satisfy it");
}

TEST(Constraint, S02_ManyBranchesAndImpossibleSchemas) {
  std::string any = R"({"anyOf": [)", texts = R"({"enum": [)";
  for (int i = 0; i < 10000; ++i) {
    any += std::string(i ? "," : "") + R"({"const": )" + std::to_string(i) + "}";
  }
  for (int i = 0; i < 20000; ++i) texts += (i ? ",\"" : "\"") + std::to_string(i * 7) + "\"";
  EXPECT_EQ(Soon(any + "]}"), "");
  EXPECT_EQ(Soon(texts + "]}"), "");
  EXPECT_NE(Soon(R"({"enum": [)" + Times(100000, "\"x\",") + "1]}"), "");  // too long a text
  EXPECT_EQ(Soon(R"({"type": "array", "maxItems": 1e9, "items": {"type": "null"}})"), "");
  EXPECT_EQ(Soon(R"({"type": "string", "maxLength": 1000000000})"), "");
  for (const char* impossible :
       {R"({"type": "array", "minItems": 3, "maxItems": 2})",
        R"({"type": "string", "minLength": 3, "maxLength": 2})",
        R"({"allOf": [{"type": "string"}, {"type": "null"}]})",
        R"({"type": "object", "properties": {"a": false}, "required": ["a"]})",
        R"({"type": "string", "pattern": "^a{5}$", "maxLength": 4})",
        R"({"type": "string", "pattern": "^(aaa)*$", "minLength": 4, "maxLength": 5})",
        R"({"type": "string", "pattern": "a^"})"}) {
    EXPECT_EQ(Refusal(impossible), "schema: nothing can satisfy it") << impossible;
  }
  // Choices of choices: 2^30 ways.
  std::string choices;
  for (int i = 0; i < 30; ++i) {
    choices += std::string(i ? "," : "") + R"({"anyOf": [{"minimum": )" + std::to_string(i) +
               R"(}, {"maxLength": )" + std::to_string(i) + "}]}";
  }
  EXPECT_NE(Soon(R"({"allOf": [)" + choices + "]}"), "");
}

TEST(Constraint, S03_Patterns) {
  for (const char* pattern :
       {"(",        ")",      "+a",        "*",        "a**",   "a{999999}", "a{2,1}",
        "a{",       "(?<=x)", "(?=x)",     "(?!x)",    "(?i)a", "\\\\1",     "\\\\b",
        "\\\\p{L}", "[z-a]",  "[",         "[]",       "[a",    "\\\\",      "\\\\ud800",
        "\\\\xg0",  "^*",     "[\\\\d-z]", "\\\\k<a>", "(?<n",  "x{1001}"}) {
    EXPECT_EQ(Refusal(Pattern(pattern)).substr(0, 15), "/pattern: byte ") << pattern;
  }
  EXPECT_EQ(Soon(Pattern("(a*)*$")), "");
  EXPECT_EQ(Soon(Pattern("^(a|a)*(a|a)*(a|b)*c$")), "");
  EXPECT_EQ(Soon(Pattern("(a|b)*a" + Times(60, "(a|b)"))), "");
  EXPECT_NE(Soon(Pattern("((a{1000}){1000}){1000}")), "");
  EXPECT_NE(Soon(Pattern(Times(500, "(") + Times(500, ")"))), "");
  EXPECT_NE(Soon(Pattern(Times(10000, "(") + Times(10000, ")"))), "");
  EXPECT_NE(Soon(Pattern("\xff")), "");
  EXPECT_NE(Soon(Pattern(Times(1025, "a"))), "");
  EXPECT_EQ(Soon(Pattern(Times(1024, "a"))), "");
  // A long text is read in time linear in its length.
  const auto constraint = Constraint::FromJsonSchema(Pattern("^(a*)*b(a*)*$"));
  EXPECT_TRUE(Accepts(*constraint, "\"" + Times(50000, "a") + "b\""));
}

TEST(Constraint, S03_EachPieceOfAPattern) {
  const auto finds = [](const std::string& pattern, const std::string& text) {
    return Accepts(Pattern(pattern), "\"" + text + "\"");
  };
  EXPECT_TRUE(finds("^[^a-c]$", "d") && finds("^[^a-c]$", "日") && !finds("^[^a-c]$", "b"));
  EXPECT_TRUE(finds("^\\\\d{2,3}$", "12") && finds("^\\\\d{2,3}$", "123"));
  EXPECT_FALSE(finds("^\\\\d{2,3}$", "1") || finds("^\\\\d{2,3}$", "1234"));
  EXPECT_TRUE(finds("^a{2,}$", "aaaa") && !finds("^a{2,}$", "a"));
  EXPECT_TRUE(finds("^(?:ab|(?<n>cd))?$", "") && finds("^(?:ab|cd)?$", "cd"));
  EXPECT_TRUE(finds("^\\\\w\\\\s\\\\S$", "a x") && !finds("^\\\\w\\\\s\\\\S$", "a  "));
  EXPECT_TRUE(finds("^\\\\u00e9\\\\x41\\\\t$", "éA\\t") && finds("^[\\\\w.-]+$", "a.-_"));
  EXPECT_TRUE(finds("^\\\\ud83d\\\\ude42$", "🙂") && finds("^\\\\.\\\\/\\\\-$", "./-"));
  EXPECT_TRUE(finds("(^a|b$)", "ax") && finds("(^a|b$)", "xb") && !finds("(^a|b$)", "xax"));
  EXPECT_TRUE(finds("^$", "") && !finds("^$", "a") && finds("", "a") && finds("a+?", "xay"));
  EXPECT_TRUE(finds("^.$", "🙂") && !finds("^.$", "\\n") && !finds("^.$", "\\u2028"));
}

// A vocabulary whose only tokens are odd pieces.
std::shared_ptr<const TokenTrie> Pieces(std::vector<std::string> bytes) {
  const int32_t ends[] = {0};
  bytes.insert(bytes.begin(), "");
  return std::make_shared<const TokenTrie>(std::move(bytes), ends);
}

TEST(Constraint, S04_EveryCharacterCanBeReachedByBytes) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(std::string(1, static_cast<char>(byte)));
  const auto tokens = Pieces(bytes);
  const std::string text = "\"日🙂é\"";
  ConstraintState state(Constraint::FromJsonSchema(R"({"const": "日🙂é"})"), tokens);
  for (char byte : text) {
    EXPECT_FALSE(state.MayEnd());
    const int32_t id = 1 + static_cast<uint8_t>(byte);
    EXPECT_EQ(state.Allowed().few, std::vector<int32_t>{id});
    state.Accept(id);
  }
  EXPECT_TRUE(state.MustEnd());
  EXPECT_EQ(state.Allowed().few, std::vector<int32_t>{0});
}

TEST(Constraint, S04_TokensThatCrossBordersOfTheGrammar) {
  const auto tokens = Pieces({"{\"", "a", "\":1", "\":12}", ",\"", "b\"", ":\"x\"}", "}", "\":2"});
  ConstraintState state(
      Constraint::FromJsonSchema(
          R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": "x"}}, "required": ["a"]})"),
      tokens);
  const auto expect = [&](std::vector<int32_t> ids, int32_t next) {
    EXPECT_EQ(state.Allowed().few, ids);
    state.Accept(next);
  };
  expect({1}, 1);
  expect({2}, 2);
  expect({3}, 3);
  expect({5, 8}, 5);
  expect({6}, 6);
  expect({7}, 7);
  EXPECT_TRUE(state.MustEnd());
  EXPECT_THROW(state.Accept(2), Error);
}

TEST(Constraint, S04_AWalkerThatForgetsGoesOnAlike) {
  const auto constraint = Constraint::FromJsonSchema(
      R"({"type": "array", "items": {"anyOf": [{"type": "string", "maxLength": 9}, {"$ref": "#"}]}})");
  Walker walker(dynamic_cast<const CompiledConstraint&>(*constraint).automaton());
  std::vector<Walker::Place> places = {walker.Start(), walker.Start()};
  const std::string text = R"([["a",["bcd"]],"x",[[[]]]])";
  for (char byte : text) {
    for (Walker::Place& place : places) place = walker.Step(place, static_cast<uint8_t>(byte));
    const std::string name = walker.Name(places[0]);
    const size_t before = walker.Bytes();
    walker.Forget(places);
    EXPECT_LT(walker.Bytes(), before);
    EXPECT_EQ(walker.Name(places[0]), name);
    EXPECT_EQ(places[0], places[1]);
  }
  EXPECT_TRUE(walker.MustEnd(places[0]));
}

TEST(Constraint, S02_WorkForOneTokenIsBounded) {
  std::string schema = R"({"anyOf": [)";
  for (int i = 0; i < 500; ++i) {
    schema +=
        std::string(i ? "," : "") + R"({"type": "string", "minLength": )" + std::to_string(i) + "}";
  }
  const auto constraint = Constraint::FromJsonSchema(schema + "]}");
  Walker walker(dynamic_cast<const CompiledConstraint&>(*constraint).automaton());
  walker.LimitWork(10'000);
  const Walker::Place start = walker.Start(), in_text = walker.Step(start, '"');
  EXPECT_NE(in_text, Walker::kDead);
  walker.LimitWork(400);
  EXPECT_EQ(walker.Step(start, '"'), in_text);  // it is known
  EXPECT_THROW(walker.Step(in_text, 'a'), Error);
  walker.LimitWork(10'000);
  EXPECT_NE(walker.Step(in_text, 'a'), Walker::kDead);
}

TEST(Constraint, S05_AtMostOneSpaceBetweenElements) {
  const auto any = Constraint::JsonObject();
  EXPECT_TRUE(Accepts(*any, "{ \"a\":\n[ 1,\n{ } ] }"));
  for (const char* text : {"{  \"a\":1}", "{\"a\":  1}", "{\"a\":1  }", " {}", "{} ", "{}\n",
                           "{\"a\" :1}", "{\"a\":\t1}", "{\"a\":[  ]}"}) {
    EXPECT_FALSE(Accepts(*any, text)) << text;
  }
}

TEST(Constraint, S07_NoFailureGivesAConstraint) {
  // Each limit, by itself.
  const char* schema = R"({"type": "object", "properties": {"a": {"pattern": "^[a-z]{3}$"}}})";
  EXPECT_EQ(Refusal(schema), "");
  EXPECT_NE(Refusal(schema, {.schema_bytes = 20}), "");
  EXPECT_NE(Refusal(schema, {.schema_depth = 1}), "");
  EXPECT_NE(Refusal(schema, {.states = 30}), "");
  EXPECT_NE(Refusal(schema, {.pattern_bytes = 5}), "");
  EXPECT_NE(Refusal(schema, {.repetitions = 2}), "");
  std::string many = R"({"enum": [0)";
  for (int i = 1; i < 9000; ++i) many += "," + std::to_string(i);
  EXPECT_NE(Refusal(many + "]}", {.compile_ms = 0}), "");
}

TEST(Constraint, S08_Tools) {
  const auto refusal = [](const std::vector<CallableTool>& tools) -> std::string {
    try {
      Constraint::ToolCalls(tools);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal({{"a", ""}}), "");
  EXPECT_NE(refusal({}), "");
  EXPECT_EQ(refusal({{"a", ""}, {"", ""}}).substr(0, 9), "/1/name: ");
  EXPECT_EQ(refusal({{"a.b:c-" + std::string(122, 'd'), ""}}), "");
  for (const std::string& name :
       {std::string(10 << 10, 'a'), std::string(129, 'a'), std::string("a\nb"), std::string("a b"),
        std::string("<eos>"), std::string("\"")}) {
    EXPECT_EQ(refusal({{name, ""}}).substr(0, 9), "/0/name: ") << Quoted(name);
  }
  EXPECT_EQ(refusal({{"a", ""}, {"a", ""}}), "/1/name: 'a' stands twice");
  EXPECT_NE(refusal(std::vector<CallableTool>(129)), "");
  EXPECT_EQ(refusal({{"a", R"({"not": {}})", true}}).substr(0, 18), "/0/parameters/not:");
  EXPECT_EQ(refusal({{"a", R"({"not": {}})"}}), "");
  EXPECT_NE(refusal({{"a", R"({"type": "string"})", true}}), "");
  std::vector<CallableTool> most;
  for (int i = 0; i < 128; ++i) most.push_back({"tool_" + std::to_string(i), ""});
  EXPECT_EQ(refusal(most), "");
}

TEST(Constraint, S10_TheCacheIsBounded) {
  ConstraintCache cache;
  const auto first = cache.FromJsonSchema(R"({"const": 0})");
  EXPECT_EQ(first, cache.FromJsonSchema(R"({"const": 0})"));
  for (int i = 1; i < 1000; ++i) {
    cache.FromJsonSchema(R"({"const": )" + std::to_string(i) + "}");
    EXPECT_LE(cache.size(), ConstraintCache::kMostEntries);
  }
  EXPECT_NE(first, cache.FromJsonSchema(R"({"const": 0})"));  // it has gone
  EXPECT_NE(cache.JsonObject(), cache.FromJsonSchema("{}"));
  EXPECT_NE(cache.OneOf({"a", "b"}), cache.OneOf({"a1:b"}));
  EXPECT_THROW(cache.FromJsonSchema(R"({"not": {}})"), Error);
  EXPECT_THROW(cache.FromJsonSchema(R"({"not": {}})"), Error);
  ConstraintCache large;
  for (int i = 0; i < 100; ++i) {
    large.FromJsonSchema(R"({"const": ")" + Times(20000, std::to_string(i % 10)) +
                         std::to_string(i) + R"("})");
  }
  EXPECT_LE(large.Bytes(), ConstraintCache::kMostBytes);
}

}  // namespace
}  // namespace gemma3n
