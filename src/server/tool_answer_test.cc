// SPDX-License-Identifier: Apache-2.0
#include "server/tool_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/conversation.h"
#include "server/genai/answer.h"

namespace gemma3n::server {
namespace {

constexpr const char* kCalls =
    R"([{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {}}])";

TEST(ToolAnswer, TellsOfWholeCalls) {
  const ToolAnswer answer = ReadToolAnswer(kCalls, true);
  ASSERT_EQ(answer.calls.size(), 2u);
  EXPECT_EQ(answer.text, "");
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.calls[0].name, "f");
  EXPECT_EQ(Json::parse(answer.calls[0].arguments), Json::parse(R"({"a":1})"));
  EXPECT_NE(answer.calls[0].id, answer.calls[1].id);
}

TEST(ToolAnswer, IsTheSameInPieces) {
  ToolAnswerReader reader(true);
  std::vector<std::string> names;
  for (const char* at = kCalls; *at != '\0'; ++at) {
    for (const ToolCall& call : reader.Push({at, 1}).calls) names.push_back(call.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"f", "g"}));
  EXPECT_TRUE(reader.Finish().complete);
}

TEST(ToolAnswer, MayNameAMemberTwice) {
  const ToolAnswer answer =
      ReadToolAnswer(R"([{"name": "f", "parameters": {"a": 1, "a": 2}}])", true);
  ASSERT_EQ(answer.calls.size(), 1u);
  EXPECT_EQ(GenAiCallJson(answer.calls[0])["args"], Json::parse(R"({"a":2})"));
}

TEST(ToolAnswer, LeavesOutACallThatWasCutShort) {
  const ToolAnswer answer = ReadToolAnswer(std::string(kCalls).substr(0, 60), true);
  EXPECT_EQ(answer.calls.size(), 1u);
  EXPECT_FALSE(answer.complete);
}

TEST(ToolAnswer, IsTextWhereNothingMayBeCalled) {
  EXPECT_EQ(ReadToolAnswer(kCalls, false).text, kCalls);
  EXPECT_EQ(ReadToolAnswer("just text", true).text, "just text");
}

std::string TextOf(const Turn& turn) {
  return std::get<std::string>(turn.parts.at(0).content);
}

TEST(Conversation, PutsSystemTextsInFrontAndTurnsTogether) {
  Conversation conversation;
  conversation.Add(Role::kUser, {Part("a")});
  conversation.AddSystem("s");
  conversation.Add(Role::kUser, {Part("b")});
  conversation.GoOn(Role::kModel, {Part("c")});
  conversation.GoOn(Role::kModel, {Part(" d")});
  conversation.AddSystem("t");
  conversation.Add(Role::kUser, {Part("e")});
  const Json nothing;
  Ask ask;
  conversation.LayOut(Field(nothing, "messages"), {}, ask);
  const std::vector<Turn>& turns = ask.turns;
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(TextOf(turns[0]), "s\n\nt");
  EXPECT_EQ(TextOf(turns[1]), "a\n\nb");
  EXPECT_EQ(TextOf(turns[2]), "c d");
  EXPECT_EQ(TextOf(turns[3]), "e");
}

TEST(Conversation, BeginsWithTheUser) {
  const Json nothing;
  const Field messages(nothing, "messages");
  Ask ask;
  Conversation conversation;
  EXPECT_THROW(conversation.LayOut(messages, {}, ask), Refusal);
  conversation.AddSystem("s");
  EXPECT_THROW(conversation.LayOut(messages, {}, ask), Refusal);
  conversation.Add(Role::kModel, {Part("b")});  // its beginning was cut off
  conversation.Add(Role::kUser, {Part("c")});
  conversation.LayOut(messages, {}, ask);
  ASSERT_EQ(ask.turns.size(), 4u);
  EXPECT_EQ(ask.turns[1].role, Role::kUser);
  EXPECT_EQ(TextOf(ask.turns[1]), "");
  EXPECT_EQ(TextOf(ask.turns[2]), "b");
}

TEST(Conversation, ForgetsWhatIsOldest) {
  Conversation conversation;
  for (const char* text : {"1", "22", "333"}) {
    conversation.Add(Role::kUser, {Part(text)});
    conversation.Add(Role::kModel, {Part("m")});
  }
  conversation.Shorten(9, 6);
  EXPECT_EQ(conversation.turns().size(), 6u);
  conversation.Shorten(8, 6);  // what was answered goes with the answer
  EXPECT_EQ(TextOf(conversation.turns().at(0)), "22");
  conversation.Shorten(8, 3);
  EXPECT_EQ(TextOf(conversation.turns().at(0)), "333");
  conversation.Shorten(0, 0);
  ASSERT_EQ(conversation.turns().size(), 1u);
}

TEST(Conversation, GoesOnWithTheModelsTextInNoForm) {
  const Json nothing;
  const Field messages(nothing, "messages");
  Conversation conversation;
  conversation.Add(Role::kUser, {Part("a")});
  conversation.Add(Role::kModel, {Part("b")});
  Ask ask;
  conversation.LayOut(messages, {}, ask);
  EXPECT_EQ(ask.turns.size(), 2u);
  ask.options.constraint = Constraint::JsonObject();
  EXPECT_THROW(conversation.LayOut(messages, {}, ask), Refusal);
  EXPECT_EQ(conversation.Turns(messages, {}).size(), 2u);
}

}  // namespace
}  // namespace gemma3n::server
