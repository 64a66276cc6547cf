// SPDX-License-Identifier: Apache-2.0
#include "media_process/frame_picker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "media_process/timeline.h"

namespace gemma3n {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::Pointwise;
using ::testing::SizeIs;

// The times that are handed over when frames at `times` are decoded.
std::vector<double> Picked(FramePicker picker, const std::vector<double>& times) {
  std::vector<double> picked;
  double last = NAN;
  for (const double time : times) {
    const FramePicker::Choice choice = picker.Offer(time);
    if (!choice.accepted) continue;
    if (choice.previous) picked.push_back(last);
    if (choice.current) picked.push_back(time);
    last = time;
  }
  if (picker.TakeLast()) picked.push_back(last);
  return picked;
}

TEST(FramePicker, TakesTheNearestFrame) {
  EXPECT_THAT(Picked(FramePicker(0, 3, 1, 10), {0, 0.4, 0.9, 1.3, 1.8, 2.3, 2.9}),
              ElementsAre(0, 0.9, 1.8));
  // Equally near: the earlier.
  EXPECT_THAT(Picked(FramePicker(0, 2, 1, 10), {0, 0.75, 1.25, 1.9}), ElementsAre(0, 0.75));
}

TEST(FramePicker, SpreadsOverALongerFilm) {
  std::vector<double> times;
  for (int i = 0; i < 1000; ++i) times.push_back(i * 0.1);
  EXPECT_THAT(Picked(FramePicker(0, 100, 1, 4), times), ElementsAre(0, 25, 50, 75));
  EXPECT_EQ(FramePicker(0, 100, 1, 1000).count(), 100);
  EXPECT_EQ(FramePicker(0, 10.0000001, 1, 1000).count(), 10);
}

TEST(FramePicker, TakesFramesOfTheSpanAlone) {
  // Nearer ones lie around it.
  EXPECT_THAT(Picked(FramePicker(1, 3, 1, 10), {0, 0.9, 1.3, 1.6, 2.9, 3, 3.1}),
              ElementsAre(1.3, 1.6));
  EXPECT_THAT(Picked(FramePicker(1, 2.5, 1, 10), {0, 1, 2.8}), ElementsAre(1));
  EXPECT_THAT(Picked(FramePicker(1, 2.5, 1, 10), {0, 1.5}), ElementsAre(1.5));
  // A time that is the beginning but for rounding.
  EXPECT_THAT(Picked(FramePicker(12.3, 13, 1, 10), {12, 123 * 0.1 - 1e-12, 12.9}),
              ElementsAre(DoubleNear(12.3, 1e-9)));
  // None in it: the one that is shown then.
  EXPECT_THAT(Picked(FramePicker(4, 6, 1, 10), {0, 3, 7, 8}), ElementsAre(3));
  EXPECT_THAT(Picked(FramePicker(4, 6, 1, 10), {0, 3}), ElementsAre(3));
  EXPECT_THAT(Picked(FramePicker(4, 6, 1, 10), {7, 8}), ElementsAre(7));
  // Spread over it.
  std::vector<double> times;
  for (int i = 0; i < 1000; ++i) times.push_back(i * 0.1);
  EXPECT_THAT(Picked(FramePicker(40, 50, 1, 4), times),
              Pointwise(DoubleNear(1e-9), {40.0, 42.5, 45.0, 47.5}));
}

TEST(FramePicker, hostile_V05_TimesThatMakeNoSense) {
  EXPECT_THAT(Picked(FramePicker(0, 0, 1, 10), {0, 0, 0, 0}), ElementsAre(0));
  EXPECT_THAT(Picked(FramePicker(0, 5, 1, 10), {0, 3, 2, 1, 4}), ElementsAre(0, 3, 4));
  EXPECT_THAT(Picked(FramePicker(0, 5, 1, 10), {0, NAN, INFINITY, 1}), ElementsAre(0, 1));
  EXPECT_THAT(Picked(FramePicker(0, 5, 1, 10), {}), ElementsAre());
}

TEST(FramePicker, hostile_V06_NoFrameTwiceAndNeverTooMany) {
  EXPECT_THAT(Picked(FramePicker(0, 7200, 1, 100), {0, 7000}), ElementsAre(0, 7000));
  std::vector<double> fast;
  for (int i = 0; i < 100000; ++i) fast.push_back(i * 1e-4);
  EXPECT_THAT(Picked(FramePicker(0, 10, 1000, 32), fast), SizeIs(32));
}

TEST(Timeline, GroupsAroundTargetsAreWanted) {
  Timeline timeline;
  timeline.duration_s = 100;
  for (int i = 0; i < 50; ++i) timeline.key_frames_s.push_back(i * 2);
  const std::vector<bool> wanted =
      WantedGroups(timeline, FramePicker(0, 100, 1, 2));  // at 0 and 50
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_EQ(wanted[i], i <= 1 || (i >= 24 && i <= 26)) << i;
  timeline.key_frames_s[3] = 90;  // no order: all
  EXPECT_THAT(WantedGroups(timeline, FramePicker(0, 100, 1, 2)), ::testing::Each(true));
}

}  // namespace
}  // namespace gemma3n
