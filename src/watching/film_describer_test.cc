// SPDX-License-Identifier: Apache-2.0
// Films of models/nano's evaluation, described by an engine that is told what to answer, and by
// nano.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "gemma3n/describe.h"
#include "gemma3n/error.h"
#include "watching/test_engine.h"

namespace gemma3n {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kEval[] = GEMMA3N_SOURCE_DIR "/models/nano/eval/";

// Answers by which prompt it was.
std::string Told(const Asked& asked) {
  static int count;
  ++count;
  const std::string& question = asked.question();
  if (question.find("title") != std::string::npos)
    return "\"Title " + std::to_string(count) + ".\"";
  if (question.find("summary") != std::string::npos && question.find("What") == std::string::npos) {
    return "summary " + std::to_string(count);
  }
  return " what happens " + std::to_string(count) + "\n";
}

// 3 s of five frames a second; sound in the first half.
std::string Film() {
  return std::string(kEval) + "film-0158.mp4";
}

struct Told3 {
  std::shared_ptr<ToldEngine> engine = std::make_shared<ToldEngine>(Told);
  std::vector<FilmWindow> windows;
  FilmReport report;
};

Told3 Described(const DescribeOptions& options, double yes = 0.5, int most_windows = 1000) {
  Told3 told;
  told.engine->yes = yes;
  DescribeEvents events;
  events.on_window = [&](const FilmWindow& window) {
    told.windows.push_back(window);
    return static_cast<int>(told.windows.size()) < most_windows;
  };
  told.report = FilmDescriber::New(told.engine, options)->Describe(Film(), events);
  return told;
}

TEST(FilmDescriber, SeesEveryFrameOnceAndGoesToTheEnd) {
  const double duration = LoadVideo(Film()).duration_s;
  for (const double window : {0.7, 1.0, 1.3, 60.0}) {
    DescribeOptions options{.with_summary = false, .with_chapters = false};
    options.window_seconds = window;
    options.video.fps = 100;
    options.video.max_frames = 100;
    const Told3 told = Described(options);
    EXPECT_TRUE(told.report.complete);
    ASSERT_FALSE(told.windows.empty());
    EXPECT_EQ(told.windows.front().from_s, 0);
    EXPECT_EQ(told.windows.back().to_s, duration);
    for (size_t i = 1; i < told.windows.size(); ++i) {
      EXPECT_EQ(told.windows[i].from_s, told.windows[i - 1].to_s);
    }
    std::vector<double> seen;
    for (const Asked& asked : told.engine->asked) {
      seen.insert(seen.end(), asked.frame_times.begin(), asked.frame_times.end());
    }
    const VideoClip whole = LoadVideo(Film(), {.fps = 100, .max_frames = 100});
    for (const VideoFrame& frame : whole.frames) {
      EXPECT_THAT(seen, testing::Contains(testing::DoubleNear(frame.time_s, 1e-6))) << window;
    }
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(told.report.frames, static_cast<int64_t>(seen.size()));
  }
}

TEST(FilmDescriber, TheSummaryGoesIntoTheNextPrompt) {
  const Told3 told = Described({.with_chapters = false, .window_seconds = 1});
  ASSERT_GE(told.windows.size(), 2u);
  const auto& asked = told.engine->asked;
  ASSERT_EQ(asked.size(), 2 * told.windows.size());
  EXPECT_EQ(asked[0].question(),
            "This part of the film goes from 00:00 to 00:01. What happens in it?");
  EXPECT_THAT(told.windows[0].text, testing::StartsWith("what happens "));
  EXPECT_THAT(told.windows[0].summary, testing::StartsWith("summary "));
  EXPECT_THAT(asked[1].question(), Not(HasSubstr("Summary of the film before")));
  EXPECT_THAT(asked[2].question(),
              HasSubstr("What happened in the film before: " + told.windows[0].summary + "\n"));
  EXPECT_THAT(asked[3].question(), HasSubstr(told.windows[0].summary));
  // Each window is a conversation of its own, in which its summary is written.
  EXPECT_EQ(asked[3].texts.size(), 3u);
  EXPECT_EQ(told.report.summary, told.windows.back().summary);
}

TEST(FilmDescriber, ChaptersGoOnWhileTheModelSaysSo) {
  const Told3 apart = Described({.window_seconds = 1}, /*yes=*/0.4);
  ASSERT_EQ(apart.report.chapters.size(), apart.windows.size());
  EXPECT_EQ(apart.report.chapters[1].from_s, apart.windows[1].from_s);
  EXPECT_EQ(apart.report.chapters[1].title.find_first_of("\".\n"), std::string::npos);
  const Told3 joined = Described({.window_seconds = 1}, /*yes=*/0.6);
  ASSERT_EQ(joined.report.chapters.size(), 1u);
  EXPECT_EQ(joined.report.chapters[0].from_s, 0);
  EXPECT_EQ(joined.report.chapters[0].to_s, joined.windows.back().to_s);
}

TEST(FilmDescriber, EndsWhereItIsToldTo) {
  const Told3 told = Described({.window_seconds = 1}, 0.4, /*most_windows=*/2);
  EXPECT_FALSE(told.report.complete);
  EXPECT_EQ(told.windows.size(), 2u);
  EXPECT_EQ(told.report.windows, 2);
  EXPECT_EQ(told.report.chapters.size(), 2u);
  EXPECT_FALSE(told.report.summary.empty());
  // In the middle of an answer, too: that window is not told.
  int begun = 0;
  DescribeEvents events;
  events.on_begin = [&](const FilmWindow&, double) {
    ++begun;
    return true;
  };
  events.on_text = [](const std::string&) { return false; };
  events.on_window = [](const FilmWindow&) {
    ADD_FAILURE() << "a window that was not described";
    return true;
  };
  const auto describer = FilmDescriber::New(told.engine, {.window_seconds = 1});
  EXPECT_FALSE(describer->Describe(Film(), events).complete);
  EXPECT_EQ(begun, 1);
}

TEST(FilmDescriber, LooksAtASpanAndAtNoSound) {
  DescribeOptions options{.with_summary = false, .with_chapters = false};
  options.video = {.soundtrack = false, .from_s = 0.5, .to_s = 1.5};
  const Told3 told = Described(options);
  ASSERT_EQ(told.windows.size(), 1u);
  EXPECT_EQ(told.windows[0].from_s, 0.5);
  EXPECT_EQ(told.windows[0].to_s, 1.5);
  EXPECT_TRUE(told.engine->asked[0].clips.empty());
}

// A gemma3n-media that writes down what it is asked for.
TEST(FilmDescriber, LooksForScenesInItsWindowsAlone) {
  const std::string place = testing::TempDir() + "/asked_" + std::to_string(getpid());
  const auto real = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "gemma3n-media";
  std::ofstream(place + ".sh") << "#!/bin/sh\necho \"$*\" >> " << place << "\nexec "
                               << real.string() << " \"$@\"\n";
  std::filesystem::permissions(place + ".sh", std::filesystem::perms::owner_all);
  DescribeOptions options{.with_summary = false, .with_chapters = false, .window_seconds = 60};
  options.video.pick = FramePick::kScenes;
  options.media.decoder_program = place + ".sh";
  EXPECT_TRUE(Described(options).report.complete);
  std::vector<std::string> asked;
  std::ifstream file(place);
  for (std::string line; std::getline(file, line);) asked.push_back(line);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_THAT(asked[0], Not(HasSubstr("--scene-change")));  // how long the film is
  EXPECT_THAT(asked[1], HasSubstr("--scene-change"));
}

TEST(FilmDescriber, RefusesWhatItCannotSee) {
  const auto engine = std::make_shared<ToldEngine>(Told);
  EXPECT_THROW(FilmDescriber::New(engine, {.window_seconds = -1}), Error);
  EXPECT_THROW(FilmDescriber::New(engine, {.window_seconds = std::nan("")}), Error);
  EXPECT_THROW(FilmDescriber::New(engine, {.yes = "no"}), Error);
  const auto describer = FilmDescriber::New(engine, {});
  EXPECT_THROW(describer->Describe(GEMMA3N_SOURCE_DIR "/models/nano/examples/spanish.wav", {}),
               Error);
  engine->facts_.sees = false;
  EXPECT_THROW(FilmDescriber::New(engine, {}), Error);
}

TEST(FilmDescriber, NanoSaysWhatItWasTaughtOfFilms) {
  const auto engine = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  DescribeOptions options{.prompt = "What is in the last picture?"};
  options.window_seconds = 60;
  const auto describer = FilmDescriber::New(engine, options);
  std::string told;
  DescribeEvents events;
  events.on_text = [&](const std::string& text) {
    told += text;
    return true;
  };
  std::vector<FilmWindow> windows;
  events.on_window = [&](const FilmWindow& window) {
    windows.push_back(window);
    return true;
  };
  const FilmReport report = describer->Describe(Film(), events);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].text, "a green circle");
  EXPECT_EQ(told, "a green circle");
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.chapters.size(), 1u);
}

}  // namespace
}  // namespace gemma3n
