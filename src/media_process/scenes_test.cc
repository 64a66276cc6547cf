// SPDX-License-Identifier: Apache-2.0
// Scenes: where films of known cuts, flashes, fades and pans are divided, first by pictures alone,
// then by whole films.
#include "media_process/scenes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "gemma3n/media.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::MessageOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr double kChange = 0.1;

// A view of its own for each `scene`: smooth, with light and dark places. `shift` moves it.
double View(int scene, double x, double y, double shift = 0) {
  const double u = x + shift;
  return 0.5 + 0.2 * std::sin(u * (5 + 3 * scene) + scene) +
         0.2 * std::cos(y * (4 + 5 * scene) - u);
}

using Draw = std::function<double(double time_s, double x, double y)>;

std::vector<double> Divide(const Draw& draw, double length_s, double fps = 25) {
  SceneFinder finder(kChange);
  for (int i = 0; i < length_s * fps; ++i) {
    PictureGrid grid;
    for (int y = 0; y < PictureGrid::kHeight; ++y)
      for (int x = 0; x < PictureGrid::kWidth; ++x)
        for (int c = 0; c < 3; ++c)
          grid.cells[static_cast<size_t>((y * PictureGrid::kWidth + x) * 3 + c)] =
              static_cast<float>(draw(i / fps, x / 32.0, y / 18.0));
    finder.Offer(i / fps, grid);
  }
  std::vector<double> times;
  for (const SceneStart& scene : finder.Finish()) times.push_back(scene.time_s);
  return times;
}

// From one value to another, between two times.
double Ramp(double t, double from_s, double to_s) {
  return std::clamp((t - from_s) / (to_s - from_s), 0.0, 1.0);
}

TEST(Scenes, AStillFilmIsOne) {
  EXPECT_THAT(Divide([](double, double x, double y) { return View(0, x, y); }, 20), ElementsAre(0));
}

TEST(Scenes, NoiseAndSlowLightAreNone) {
  std::mt19937 random(7);
  std::normal_distribution<double> noise(0, 0.01);
  EXPECT_THAT(
      Divide([&](double t, double x,
                 double y) { return View(0, x, y) * (1 + 0.1 * std::sin(t)) + noise(random); },
             20),
      ElementsAre(0));
}

TEST(Scenes, CutsAreFoundAtTheirFrame) {
  for (const double fps : {5.0, 10.0, 25.0, 60.0}) {
    const Draw cuts = [](double t, double x, double y) {
      const double moving = 0.05 * t;
      return View(t < 2 ? 0 : t < 3.6 ? 1 : 2, x, y, moving);
    };
    EXPECT_THAT(Divide(cuts, 7, fps), ElementsAre(0, 2, 3.6)) << fps;
  }
}

TEST(Scenes, ASlideShowIsDividedAtEachPicture) {
  EXPECT_THAT(
      Divide([](double t, double x, double y) { return View(static_cast<int>(t) % 3, x, y); }, 5,
             1),
      ElementsAre(0, 1, 2, 3, 4));
}

TEST(Scenes, FlashesAreNone) {
  const Draw flash = [](double t, double x, double y) {
    const bool lit = (t > 1.01 && t < 1.1) || (t > 3.01 && t < 3.2);
    return lit ? 1.0 : View(0, x, y);
  };
  EXPECT_THAT(Divide(flash, 6), ElementsAre(0));
  // A flash at a cut is part of it: the scene begins after it.
  const Draw at_cut = [](double t, double x, double y) {
    return t > 1.99 && t < 2.07 ? 1.0 : View(t < 2 ? 0 : 1, x, y);
  };
  EXPECT_THAT(Divide(at_cut, 4), ElementsAre(0, 2.08));
}

TEST(Scenes, ALightThatStrobesDoesNotMakeManyOfOne) {
  const Draw strobe = [](double t, double x, double y) {
    return View(0, x, y) + (std::fmod(t, 0.4) < 0.2 ? 0.3 : 0);
  };
  EXPECT_THAT(Divide(strobe, 10), SizeIs(::testing::Le(2)));
}

TEST(Scenes, ADissolveIsOneMoreFromItsEndOn) {
  const Draw dissolve = [](double t, double x, double y) {
    const double part = Ramp(t, 3, 4);
    return (1 - part) * View(0, x, y) + part * View(1, x, y);
  };
  const std::vector<double> times = Divide(dissolve, 8);
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_GE(times[1], 3.5);  // most of it is over
  EXPECT_LE(times[1], 4.1);
}

TEST(Scenes, ASlowFadeIsNotSplitEndlessly) {
  const Draw fade = [](double t, double x, double y) {
    const double part = Ramp(t, 2, 12);
    return (1 - part) * View(0, x, y) + part * View(1, x, y);
  };
  const std::vector<double> times = Divide(fade, 16);
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_GE(times[1], 11);
  EXPECT_LE(times[1], 12.1);
}

TEST(Scenes, APanIsOneWhileItGoesOnAndOneMoreWhereItRests) {
  const Draw endless = [](double t, double x, double y) { return View(0, x, y, 0.3 * t); };
  EXPECT_THAT(Divide(endless, 30), ElementsAre(0));
  const Draw rests = [](double t, double x, double y) {
    return View(0, x, y, 0.3 * std::min(t, 2.5));
  };
  const std::vector<double> times = Divide(rests, 6);
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_NEAR(times[1], 2.5, 0.5);
}

TEST(Scenes, FastMotionIsNoCut) {
  // The picture differs from frame to frame by more than scenes must.
  const Draw shaking = [](double t, double x, double y) {
    return View(0, x, y, t < 1 ? 0 : 0.4 * std::sin(40 * t));
  };
  EXPECT_THAT(Divide(shaking, 10), SizeIs(::testing::Le(2)));
}

TEST(Scenes, WhatGoesAndComesBackIsNone) {
  const Draw passes = [](double t, double x, double y) {
    const double left = (t - 2) / 2;  // something dark crosses the picture in 2 s
    return std::abs(x - left) < 0.2 ? 0.1 : View(0, x, y);
  };
  EXPECT_THAT(Divide(passes, 8), ElementsAre(0));
}

// ---- films ----

int LumaOfView(int scene, int x, int y, double shift = 0) {
  return 20 + static_cast<int>(200 * std::clamp(View(scene, x / 64.0, y / 48.0, shift), 0.0, 1.0));
}

std::vector<double> TimesOf(const Bytes& film, VideoOptions options = {}) {
  options.pick = FramePick::kScenes;
  std::vector<double> times;
  for (const VideoFrame& frame : ParseVideo(film, "film", options).frames)
    times.push_back(frame.time_s);
  return times;
}

FilmSpec ThreeScenes(const std::string& codec) {
  return {
      .format = "matroska", .video_codec = codec, .frames = 60, .draw = [](int i, int x, int y) {
        return LumaOfView(i < 13 ? 0 : i < 37 ? 1 : 2, x, y, 0.005 * i);
      }};
}

TEST(SceneFilm, CutsAreFoundAtTheirFrame) {
  for (const char* codec : {"mpeg4", "libx264", "libvpx", "mjpeg"}) {
    if (!HaveEncoder(codec)) continue;
    const std::vector<double> times = TimesOf(MakeFilm(ThreeScenes(codec)));
    ASSERT_THAT(times, SizeIs(3)) << codec;
    EXPECT_NEAR(times[0], 0, 0.001) << codec;
    EXPECT_NEAR(times[1], 1.3, 0.001) << codec;
    EXPECT_NEAR(times[2], 3.7, 0.001) << codec;
  }
}

TEST(SceneFilm, TheFrameIsTheFirstOfItsScene) {
  VideoOptions options;
  options.pick = FramePick::kScenes;
  const VideoClip clip = ParseVideo(MakeFilm(ThreeScenes("mpeg4")), "film", options);
  ASSERT_THAT(clip.frames, SizeIs(3));
  const int first[] = {0, 13, 37};
  for (int scene = 0; scene < 3; ++scene) {
    const double grey = (LumaOfView(scene, 30, 20, 0.005 * first[scene]) - 16) * 255.0 / 219;
    EXPECT_NEAR(clip.frames[static_cast<size_t>(scene)].image.rgb[(20 * 64 + 30) * 3], grey, 20)
        << scene;
  }
  EXPECT_FALSE(clip.audio.samples.empty());  // the sound is there as ever
}

TEST(SceneFilm, AStillFilmGivesOneFrame) {
  const FilmSpec still{.frames = 40, .draw = [](int, int x, int y) { return LumaOfView(0, x, y); }};
  EXPECT_THAT(TimesOf(MakeFilm(still)), ElementsAre(0));
}

TEST(SceneFilm, OfTooManyTheStrongestAreKept) {
  // Cuts to views that are ever more different from the first: by 30, 120, 60 and 90 of luma.
  const FilmSpec steps{.frames = 50, .draw = [](int i, int x, int) {
                         const int step[] = {0, 40, -80, 60, -20};
                         return 125 + (x < 32 ? 1 : -1) * step[i / 10];
                       }};
  const Bytes film = MakeFilm(steps);
  EXPECT_THAT(TimesOf(film), SizeIs(5));
  EXPECT_THAT(TimesOf(film, {.max_frames = 3}),
              ElementsAre(0, ::testing::DoubleNear(2, 0.001), ::testing::DoubleNear(3, 0.001)));
  EXPECT_THAT(TimesOf(film, {.max_frames = 1}), ElementsAre(0));
}

TEST(SceneFilm, OfASpanItsOwnAlone) {
  const Bytes film = MakeFilm(ThreeScenes("mpeg4"));
  const std::vector<double> times = TimesOf(film, {.from_s = 2, .to_s = 5});
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_NEAR(times[0], 2, 0.001);
  EXPECT_NEAR(times[1], 3.7, 0.001);
}

TEST(SceneFilm, hostile_V06_PicturesAtOddTimes) {
  const auto jpeg = [](int scene) {
    Image image{16, 16, {}};
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x)
        image.rgb.insert(image.rgb.end(), 3, static_cast<uint8_t>(LumaOfView(scene, x * 4, y * 3)));
    return test_files::Jpeg(image);
  };
  std::vector<JpegFrame> frames;
  for (const int64_t time : {0, 1, 2, 500, 501, 2000, 2003, 2100})
    frames.push_back({jpeg(time < 500 ? 0 : time < 2000 ? 1 : 2), time});
  const std::vector<double> times = TimesOf(MakeJpegFilm("matroska", frames, 100));
  ASSERT_THAT(times, SizeIs(3));
  EXPECT_NEAR(times[1], 5, 0.001);
  EXPECT_NEAR(times[2], 20, 0.001);
}

TEST(SceneFilm, RefusesChangesThatAreNone) {
  const Bytes film = MakeFilm({.frames = 3});
  for (const double change : {0.0, -1.0, 1.5, std::nan("")}) {
    EXPECT_THAT(MessageOf([&] { TimesOf(film, {.scene_change = change}); }),
                HasSubstr("change from scene to scene: expected more than 0"));
  }
}

}  // namespace
}  // namespace gemma3n
