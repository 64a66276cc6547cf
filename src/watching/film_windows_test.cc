// SPDX-License-Identifier: Apache-2.0
#include "watching/film_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "gemma3n/error.h"
#include "watching/test_engine.h"

namespace gemma3n {
namespace {

std::string Nothing(const Asked&) {
  return "";
}

TEST(FilmWindows, CoverTheSpanWithoutGapOrOverlap) {
  for (const auto& [from, to, longest] :
       std::vector<std::array<double, 3>>{{0, 10, 3},
                                          {0, 10.01, 5},
                                          {0.4, 7203.77, 30},
                                          {2, 2.04, 30},
                                          {0, 9, 3},
                                          {1.0 / 3, 100.0 / 3, 0.7}}) {
    const std::vector<double> borders = WindowBorders(from, to, longest);
    EXPECT_EQ(borders.front(), from);
    EXPECT_EQ(borders.back(), to);
    double shortest = to;
    for (size_t i = 0; i + 1 < borders.size(); ++i) {
      EXPECT_LE(borders[i + 1] - borders[i], longest + 0.002);
      shortest = std::min(shortest, borders[i + 1] - borders[i]);
    }
    // As few as can be, and none is a rest.
    EXPECT_EQ(borders.size() - 1, static_cast<size_t>(std::ceil((to - from) / longest - 1e-6)));
    EXPECT_GE(shortest, (to - from) / static_cast<double>(borders.size() - 1) - 0.002);
  }
}

TEST(FilmWindows, OfAFilmThatLastsNoTimeThereIsOne) {
  EXPECT_THAT(WindowBorders(0, 0, 30), testing::ElementsAre(0, 0));
  ToldEngine engine(Nothing);
  const WindowPlan plan = PlanWindows(engine, {}, 0);
  EXPECT_GT(plan.longest_s, 0);
  EXPECT_GT(plan.frames, 0);
}

TEST(FilmWindows, AreAsLongAsFramesAndAClipHold) {
  ToldEngine engine(Nothing);
  DescribeOptions options;
  EXPECT_EQ(PlanWindows(engine, options, 60).longest_s, 3);
  options.video.fps = 20;
  EXPECT_EQ(PlanWindows(engine, options, 60).longest_s, 1.6);
  options.video = {.fps = 0.5, .soundtrack = false};
  const WindowPlan silent = PlanWindows(engine, options, 100);
  EXPECT_EQ(silent.longest_s, 64);
  EXPECT_EQ(silent.frames, 32);
  EXPECT_FALSE(silent.sound);
  engine.facts_.hears = false;
  EXPECT_FALSE(PlanWindows(engine, {}, 60).sound);
  // None is longer than the film.
  EXPECT_EQ(PlanWindows(engine, {.window_seconds = 60}, 2.5).longest_s, 2.5);
}

TEST(FilmWindows, KeepWithinTheContext) {
  ToldEngine engine(Nothing);
  DescribeOptions options;
  options.window_seconds = 60;  // 20 clips
  for (const int64_t context : {1200, 900}) {
    options.context = context;
    const WindowPlan plan = PlanWindows(engine, options, 60);
    EXPECT_GT(plan.frames, 0);
    EXPECT_LT(plan.frames, 32);
    EXPECT_LE(plan.context, context);
    // What the plan takes: 11 positions a frame (with its time), 5 a clip, the texts.
    EXPECT_GE(plan.context, plan.frames * 10 + 20 * 5 + plan.answer_tokens + plan.summary_tokens);
  }
  EXPECT_GT(PlanWindows(engine, {.window_seconds = 60}, 60).frames,
            PlanWindows(engine, options, 60).frames);
  options.context = 500;
  try {
    PlanWindows(engine, options, 60);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRequest);
    EXPECT_THAT(error.what(), testing::HasSubstr("20 clips"));
  }
}

TEST(FilmWindows, LongSoundBecomesClipsThatTheModelTakes) {
  VideoClip film;
  film.frames.resize(2);
  film.audio.samples.assign(7 * 16000 + 100, 0.5f);
  const std::vector<Part> parts = PartsOf(film, 3);
  ASSERT_EQ(parts.size(), 4u);
  std::vector<size_t> clips;
  for (size_t i = 1; i < parts.size(); ++i) {
    clips.push_back(std::get<std::shared_ptr<const AudioClip>>(parts[i].content)->samples.size());
  }
  EXPECT_THAT(clips, testing::ElementsAre(48000u, 48000u, 16100u));
  film.audio.samples.resize(48000 + 50);  // no clip of its own for a rounding
  EXPECT_EQ(PartsOf(film, 3).size(), 2u);
  film.audio.samples.clear();
  EXPECT_EQ(PartsOf(film, 3).size(), 1u);
}

}  // namespace
}  // namespace gemma3n
