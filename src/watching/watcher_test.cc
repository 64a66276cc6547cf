// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gemma3n/error.h"
#include "gemma3n/watch.h"
#include "watching/test_engine.h"

namespace gemma3n {
namespace {

constexpr char kEval[] = GEMMA3N_SOURCE_DIR "/models/nano/eval/";

Image Grey(uint8_t level) {
  return {8, 8, std::vector<uint8_t>(8 * 8 * 3, level)};
}

std::shared_ptr<ToldEngine> Counting() {
  return std::make_shared<ToldEngine>(
      [count = 0](const Asked&) mutable { return "answer " + std::to_string(++count); });
}

TEST(Watcher, AsksOnlyAboutPicturesThatChanged) {
  const auto engine = Counting();
  const auto watcher = Watcher::New(engine, {.question = "What?", .every_s = 0});
  const auto look = [&](double time, uint8_t level) { return *watcher->Look({time, Grey(level)}); };
  const Sighting first = look(0, 0);
  EXPECT_FALSE(first.same);
  EXPECT_EQ(first.text, "answer 1");
  EXPECT_EQ(first.change, 1);
  EXPECT_TRUE(first.news);
  const Sighting second = look(1, 0);
  EXPECT_TRUE(second.same);
  EXPECT_FALSE(second.news);
  EXPECT_EQ(second.text, "answer 1");
  EXPECT_EQ(second.time_s, 1);
  EXPECT_EQ(second.change, 0);
  EXPECT_EQ(look(2, 255).text, "answer 2");
  EXPECT_EQ(engine->asked.size(), 2u);
  const WatchCounts counts = watcher->counts();
  EXPECT_EQ(counts.looked_at, 3);
  EXPECT_EQ(counts.same, 1);
  EXPECT_EQ(counts.encoded, 2);
}

TEST(Watcher, ComparesWithTheLastPictureAskedAboutSoThatSlowChangesCount) {
  const auto engine = Counting();
  const auto watcher =
      Watcher::New(engine, {.question = "What?", .every_s = 0, .least_change = 0.1});
  int asked = 0;
  for (int level = 0; level < 250; level += 2) {
    asked += !watcher->Look({level * 1.0, Grey(static_cast<uint8_t>(level))})->same;
  }
  EXPECT_GE(asked, 3);
  EXPECT_LE(asked, 12);
}

TEST(Watcher, LooksAtTheirTimes) {
  const auto watcher = Watcher::New(Counting(), {.question = "What?", .every_s = 2});
  EXPECT_TRUE(watcher->IsDue(0.3));
  watcher->Look({0.3, Grey(0)});
  EXPECT_FALSE(watcher->IsDue(2.2));
  EXPECT_TRUE(watcher->IsDue(2.3));
}

TEST(Watcher, WaitsForAConditionByItsProbability) {
  const auto engine = Counting();
  WatchOptions options{.condition = "a red circle", .every_s = 0, .least_change = 0};
  const auto watcher = Watcher::New(engine, options);
  engine->yes = 0.4;
  const Sighting before = *watcher->Look({0, Grey(0)});
  EXPECT_FALSE(before.holds);
  EXPECT_EQ(before.text, "no");
  EXPECT_NEAR(before.probability.value(), 0.4, 1e-9);
  EXPECT_EQ(engine->asked[0].question(),
            "Is this true of the picture: a red circle\nAnswer yes or no.");
  engine->yes = 0.6;
  EXPECT_TRUE(watcher->Look({1, Grey(100)})->holds);
  options.least_probability = 0.7;
  EXPECT_FALSE(Watcher::New(engine, options)->Look({1, Grey(100)})->holds);
  // With a question besides, both are asked about the same picture.
  options.question = "What?";
  const Sighting both = *Watcher::New(engine, options)->Look({1, Grey(100)});
  EXPECT_EQ(both.text, "answer 1");
  EXPECT_TRUE(both.probability);
}

TEST(Watcher, AnAnswerThatWasEndedCountsForNothing) {
  const auto engine = Counting();
  const auto watcher = Watcher::New(engine, {.question = "What?", .every_s = 0});
  EXPECT_FALSE(watcher->Look({0, Grey(0)}, [](const std::string&) { return false; }));
  EXPECT_EQ(watcher->counts().answered, 0);
  EXPECT_FALSE(watcher->Look({1, Grey(0)})->same);
}

TEST(Watcher, RefusesOptionsOutOfRange) {
  const auto engine = Counting();
  EXPECT_THROW(Watcher::New(engine, {}), Error);
  EXPECT_THROW(Watcher::New(engine, {.question = "What?", .every_s = -1}), Error);
  EXPECT_THROW(Watcher::New(engine, {.question = "What?", .least_change = 2}), Error);
  EXPECT_THROW(Watcher::New(engine, {.condition = "x", .yes = "no"}), Error);
  EXPECT_THROW(Watcher::New(engine, {.condition = "x", .least_probability = 1}), Error);
  engine->facts_.sees = false;
  EXPECT_THROW(Watcher::New(engine, {.question = "What?"}), Error);
}

TEST(Watcher, NanoChoosesBetweenTwoWordsAndEncodesAPictureOnce) {
  const auto engine = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  WatchOptions options{.question = "Describe the picture.",
                       .condition = "What is at the top right?",
                       .until_prompt = "{condition}",
                       .yes = "an",
                       .no = "a",
                       .every_s = 0};
  const auto watcher = Watcher::New(engine, options);
  const Sighting seen =
      *watcher->Look({0, LoadImage(std::string(kEval) + "pictures-0071.png")});  // orange
  EXPECT_TRUE(seen.holds);
  EXPECT_GT(seen.probability.value(), 0.9);
  EXPECT_EQ(seen.text, "an orange triangle at the top right");
  EXPECT_GT(seen.encode_ms, 0);
  EXPECT_EQ(watcher->counts().encoded, 1);
  const Sighting other =
      *watcher->Look({1, LoadImage(std::string(kEval) + "pictures-0083.png")});  // purple
  EXPECT_FALSE(other.holds);
  EXPECT_LT(other.probability.value(), 0.1);
  EXPECT_EQ(watcher->counts().encoded, 2);
}

}  // namespace
}  // namespace gemma3n
