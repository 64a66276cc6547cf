// SPDX-License-Identifier: Apache-2.0
// By how much pictures differ: what a camera does by itself changes less than what moves, and that
// less than another scene.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "gemma3n/picture_stream.h"

namespace gemma3n {
namespace {

constexpr int kWidth = 320, kHeight = 180;

template <class Color>
Image Draw(int width, int height, Color color) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(static_cast<uint8_t>(std::clamp(color(x, y, c), 0, 255)));
  return image;
}

// A room with a wall, a floor and a square of a side of a tenth of the height at `left`.
Image Room(int width, int height, double left, double gain = 1) {
  return Draw(width, height, [=](int x, int y, int c) {
    int value = 2 * y < height ? 120 + 20 * c : 60 + x * 60 / width;
    const double side = height / 10.0;
    if (x >= left * width && x < left * width + side && y >= side * 4 && y < side * 5) value = 230;
    return static_cast<int>(value * gain);
  });
}

Image Noisy(const Image& clean, double sigma, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise(0, sigma);
  Image image = clean;
  for (uint8_t& value : image.rgb)
    value = static_cast<uint8_t>(std::clamp(value + noise(random), 0.0, 255.0));
  return image;
}

Image Plain(int width, int height, int value) {
  return Draw(width, height, [=](int, int, int) { return value; });
}

TEST(PictureChange, OfAPictureToItselfIsNone) {
  const Image room = Room(kWidth, kHeight, 0.2);
  EXPECT_EQ(PictureChange(room, room), 0);
}

TEST(PictureChange, IsTheSameBothWays) {
  const Image a = Room(kWidth, kHeight, 0.2), b = Room(kWidth, kHeight, 0.7);
  EXPECT_DOUBLE_EQ(PictureChange(a, b), PictureChange(b, a));
}

TEST(PictureChange, IsSmallForNoise) {
  const Image room = Room(kWidth, kHeight, 0.2);
  const double noise = PictureChange(Noisy(room, 8, 1), Noisy(room, 8, 2));
  EXPECT_GT(noise, 0);
  EXPECT_LT(noise, 0.01);
}

TEST(PictureChange, IsSeveralTimesLargerForAThingThatMoves) {
  const Image before = Room(kWidth, kHeight, 0.2), after = Room(kWidth, kHeight, 0.5);
  const double noise = PictureChange(Noisy(before, 8, 1), Noisy(before, 8, 2));
  const double moved = PictureChange(Noisy(before, 8, 1), Noisy(after, 8, 2));
  EXPECT_GT(moved, 0.02);
  EXPECT_GT(moved, 3 * noise);
}

TEST(PictureChange, CountsLightForHalf) {
  EXPECT_NEAR(PictureChange(Plain(64, 36, 100), Plain(64, 36, 151)), 0.1, 1e-6);
  // The same difference where it is not even counts in full.
  const Image left_half =
      Draw(64, 36, [](int x, int, int) { return x < 32 ? 100 + 51 : 100 - 51; });
  EXPECT_NEAR(PictureChange(Plain(64, 36, 100), left_half), 0.2, 1e-6);
}

TEST(PictureChange, OfAnotherExposureIsLessThanOfAnotherScene) {
  const Image room = Room(kWidth, kHeight, 0.2);
  const double exposure = PictureChange(room, Room(kWidth, kHeight, 0.2, 1.2));
  const Image garden = Draw(kWidth, kHeight, [](int x, int y, int c) {
    return c == 1 ? 90 + y / 2 : (x / 40 % 2 == 0 ? 30 : 200);
  });
  const double scene = PictureChange(room, garden);
  EXPECT_GT(exposure, 0.01);
  EXPECT_LT(exposure, 0.06);
  EXPECT_GT(scene, 0.15);
}

TEST(PictureChange, IsMostBetweenOppositePictures) {
  const auto board = [](int light) {
    return Draw(32, 18, [=](int x, int y, int) { return (x + y) % 2 == light ? 255 : 0; });
  };
  EXPECT_DOUBLE_EQ(PictureChange(board(0), board(1)), 1);
}

TEST(PictureChange, DoesNotDependOnTheSize) {
  const Image small = Room(320, 180, 0.2), large = Room(1280, 720, 0.2);
  EXPECT_LT(PictureChange(small, large), 0.01);
}

TEST(PictureChange, TakesPicturesOfAnySize) {
  const Image dot = Plain(1, 1, 200), line = Plain(1, 1000, 200), empty;
  EXPECT_EQ(PictureChange(dot, line), 0);
  EXPECT_NEAR(PictureChange(empty, Plain(7, 5, 255)), 0.5, 1e-6);
  EXPECT_EQ(PictureChange(empty, empty), 0);
}

}  // namespace
}  // namespace gemma3n
