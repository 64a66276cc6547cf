// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/fit_context.h"

#include <gtest/gtest.h>

namespace gemma3n {
namespace {

constexpr int64_t kPicture = 100, kSound = 60, kTurn = 5, kRoom = 1000, kStep = 250;

// Texts are a token a character, as if a tokenizer knew nothing else.
int64_t Tokens(const std::vector<Turn>& turns) {
  int64_t tokens = 0;
  for (const Turn& turn : turns) {
    tokens += kTurn;
    for (const Part& part : turn.parts) {
      const auto* text = std::get_if<std::string>(&part.content);
      tokens += text != nullptr     ? static_cast<int64_t>(text->size())
                : part.is_picture() ? kPicture
                                    : kSound;
    }
  }
  return tokens;
}

LeftOut Fit(const std::vector<Turn>& turns, const LeftOut& before = {}) {
  return FitContext(turns, kRoom, kStep, before, [&](const LeftOut& left_out) {
    return Tokens(WithoutOldest(turns, left_out));
  });
}

Part Picture() {
  return Part(Image{});
}
Part Sound() {
  return Part(AudioClip{});
}

// A message and its answer of this many characters together.
void Say(std::vector<Turn>& turns, std::vector<Part> media, size_t characters) {
  media.push_back(Part(std::string(characters / 2, 'q')));
  turns.push_back({Role::kUser, std::move(media)});
  turns.push_back({Role::kModel, {Part(std::string(characters - characters / 2, 'a'))}});
}
std::vector<Turn> Asked(std::vector<Turn> turns, std::vector<Part> parts) {
  turns.push_back({Role::kUser, std::move(parts)});
  return turns;
}

TEST(FitContext, LeavesOutNothingWhileThereIsRoom) {
  std::vector<Turn> turns;
  Say(turns, {Picture(), Sound()}, 800);
  const std::vector<Turn> asked = Asked(turns, {"why?"});
  EXPECT_EQ(Fit(asked), LeftOut{});
  EXPECT_EQ(Tokens(WithoutOldest(asked, {})), Tokens(asked));
  EXPECT_EQ(Fit(asked, {.media = 1, .turns = 0}), (LeftOut{.media = 1, .turns = 0}));
}

TEST(FitContext, OldestMediaGoFirst) {
  std::vector<Turn> turns = {{Role::kSystem, {"be brief"}}};
  Say(turns, {Picture(), Sound()}, 100);
  Say(turns, {Picture(), Picture()}, 450);
  const std::vector<Turn> asked = Asked(turns, {Picture(), "and now?"});
  ASSERT_GT(Tokens(asked), kRoom);
  const LeftOut left_out = Fit(asked);
  EXPECT_EQ(left_out, (LeftOut{.media = 4, .turns = 0}));
  const std::vector<Turn> left = WithoutOldest(asked, left_out);
  ASSERT_EQ(left.size(), asked.size());
  EXPECT_EQ(std::get<std::string>(left[1].parts[0].content), "[an earlier picture]");
  EXPECT_EQ(std::get<std::string>(left[1].parts[1].content), "[an earlier sound]");
  EXPECT_TRUE(left.back().parts[0].is_picture());
  EXPECT_LE(Tokens(left), kRoom);
}

TEST(FitContext, ThenOldestTurnsInPairs) {
  std::vector<Turn> turns = {{Role::kSystem, {std::string(100, 's')}}};
  for (int i = 0; i < 10; ++i) Say(turns, {}, 100);
  const std::vector<Turn> asked = Asked(turns, {"why?"});
  const LeftOut left_out = Fit(asked);  // 1219 tokens: 219 too many, 250 to leave out
  EXPECT_EQ(left_out, (LeftOut{.media = 0, .turns = 6}));
  const std::vector<Turn> left = WithoutOldest(asked, left_out);
  EXPECT_EQ(left[0].role, Role::kSystem);
  EXPECT_EQ(left[1].role, Role::kUser);
  EXPECT_EQ(left.size(), asked.size() - 6);
}

TEST(FitContext, StaysTheSameForSomeMessages) {
  // With what was left out before and, as a server that is given all of it each time, without.
  for (const bool remembers : {true, false}) {
    std::vector<Turn> turns;
    LeftOut left_out;
    int changes = 0;
    for (int message = 0; message < 100; ++message) {
      const std::vector<Turn> asked = Asked(turns, {"why?"});
      const LeftOut now = Fit(asked, remembers ? left_out : LeftOut{});
      EXPECT_LE(Tokens(WithoutOldest(asked, now)), kRoom) << message;
      EXPECT_GE(now.turns, left_out.turns);
      changes += now != left_out;
      left_out = now;
      Say(turns, {}, 40);
    }
    EXPECT_GT(changes, 10);  // 5000 tokens were said
    EXPECT_LT(changes, 25);
  }
}

TEST(FitContext, WhatWasLeftOutStaysOut) {
  // Each message is a sound: it becomes an earlier one with the next.
  std::vector<Turn> turns;
  LeftOut left_out;
  for (int message = 0; message < 60; ++message) {
    const std::vector<Turn> asked = Asked(turns, {Sound()});
    const LeftOut now = Fit(asked, left_out);
    EXPECT_LE(Tokens(WithoutOldest(asked, now)), kRoom) << message;
    EXPECT_GE(now.media, left_out.media);
    EXPECT_GE(now.turns, left_out.turns);
    left_out = now;
    Say(turns, {Sound()}, 40);
  }
  EXPECT_GT(left_out.media, 50);
  EXPECT_GT(left_out.turns, 60);
}

TEST(FitContext, TheLastMessageStaysEvenWhereItDoesNotFit) {
  std::vector<Turn> turns;
  Say(turns, {Picture()}, 100);
  const std::vector<Turn> asked = Asked(turns, {Part(std::string(2000, 'x'))});
  EXPECT_EQ(Fit(asked), (LeftOut{.media = 1, .turns = 2}));
  EXPECT_EQ(WithoutOldest(asked, Fit(asked)).size(), 1u);
  EXPECT_EQ(Fit(Asked({}, {Part(std::string(2000, 'x'))})), LeftOut{});
}

TEST(RoomForPrompt, LeavesRoomForAnAnswer) {
  EXPECT_EQ(RoomForPrompt(1000, 50), 950);
  EXPECT_EQ(RoomForPrompt(1000, 1024), 750);
  EXPECT_EQ(RoomForPrompt(1000, 0), 999);
  EXPECT_EQ(RoomForPrompt(2, 1024), 1);
}

}  // namespace
}  // namespace gemma3n
