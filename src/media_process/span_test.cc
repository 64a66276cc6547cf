// SPDX-License-Identifier: Apache-2.0
// A span of a film through the real gemma3n-media: its frames and its sound alone, at the film's
// own times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gemma3n/media.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::MessageOf;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr double kSampleRate = 16000;

VideoClip Read(const Bytes& film, double from_s, double to_s, VideoOptions video = {}) {
  video.from_s = from_s;
  video.to_s = to_s;
  return ParseVideo(film, "film", video);
}

void ExpectFrames(const VideoClip& clip, const std::vector<double>& times) {
  std::vector<double> found;
  for (const VideoFrame& frame : clip.frames) {
    found.push_back(frame.time_s);
    EXPECT_NEAR(frame.image.rgb[0], GreyOf(static_cast<int>(std::lround(frame.time_s * 10))), 6);
  }
  EXPECT_THAT(found, Pointwise(DoubleNear(1e-6), times));
}

TEST(Span, FramesKeepTheTimesOfTheFilm) {
  for (const int group : {10, 1000}) {  // key frames each second; one at the beginning alone
    const Bytes film =
        MakeFilm({.video_codec = "libx264", .audio_codec = "", .frames = 300, .group = group});
    ExpectFrames(Read(film, 12.3, 15), {12.3, 13.3, 14.3});
    ExpectFrames(Read(film, 0, 2), {0, 1});
    ExpectFrames(Read(film, 29.2, 30), {29.2});
    ExpectFrames(Read(film, 10, 20, {.max_frames = 4}), {10, 12.5, 15, 17.5});
    ExpectFrames(Read(film, 28, INFINITY), {28, 29});
    EXPECT_NEAR(Read(film, 12.3, 15).duration_s, 30, 0.01);
  }
}

// At a rate of its own and 16 bits, so that nothing between the film and us changes a sample.
TEST(Span, SoundIsThatPartOfTheWhole) {
  const Bytes film = MakeFilm({.format = "mov",
                               .audio_codec = "pcm_s16le",
                               .frames = 100,
                               .sample_rate_hz = 16000,
                               .sound_s = 10,
                               .tone_hz = 441.3});
  const std::vector<float> whole = ParseVideo(film, "film").audio.samples;
  for (const auto& [from_s, to_s] : {std::pair{0.0, 2.0}, {0.3, 0.8}, {3.7, 8.0}, {9.5, 10.0}}) {
    const VideoClip clip = Read(film, from_s, to_s);
    const auto first = whole.begin() + std::lround(from_s * kSampleRate);
    ASSERT_EQ(clip.audio.samples.size(),
              static_cast<size_t>(std::lround((to_s - from_s) * kSampleRate)));
    EXPECT_TRUE(std::equal(clip.audio.samples.begin(), clip.audio.samples.end(), first)) << from_s;
  }
  EXPECT_TRUE(Read(film, 3, 4, {.soundtrack = false}).audio.samples.empty());
}

TEST(Span, SoundOfCodersIsInItsPlace) {
  for (const FilmSpec& spec :
       {FilmSpec{.frames = 100, .sound_s = 4, .sound_start_s = 5}, FilmSpec{.format = "webm",
                                                                   .video_codec = "libvpx",
                                                                   .audio_codec = "libopus",
                                                                   .frames = 100,
                                                                   .sample_rate_hz = 48000,
                                                                   .sound_s = 4,
                                                                   .sound_start_s = 5}}) {
    const auto silence = [&](double from_s, double to_s) {  // seconds before the tone
      const std::vector<float> samples = Read(MakeFilm(spec), from_s, to_s).audio.samples;
      EXPECT_NEAR(static_cast<double>(samples.size()), (to_s - from_s) * kSampleRate, 1);
      const auto heard = std::find_if(samples.begin(), samples.end(),
                                      [](float sample) { return std::abs(sample) > 0.1f; });
      return static_cast<double>(heard - samples.begin()) / kSampleRate;
    };
    EXPECT_NEAR(silence(4, 7), 1, 0.05) << spec.format;
    EXPECT_NEAR(silence(4.5, 7), 0.5, 0.05) << spec.format;
    EXPECT_NEAR(silence(7, 8), 0, 0.01) << spec.format;  // not of what comes before its lead-in
    EXPECT_NEAR(silence(1, 3), 2, 0.01) << spec.format;
  }
}

TEST(Span, ThatIsNoneIsRefused) {
  const Bytes film = MakeFilm({});
  const auto refusal = [&](double from_s, double to_s) {
    return MessageOf([&] { Read(film, from_s, to_s); });
  };
  for (const auto& [from_s, to_s] :
       {std::pair{3.0, 3.0}, {4.0, 2.0}, {-1.0, 2.0}, {NAN, 2.0}, {1.0, NAN}}) {
    EXPECT_THAT(refusal(from_s, to_s), HasSubstr("expected an end after its start, found "));
  }
  EXPECT_EQ(refusal(7, 8.5),
            "film: span of the film: expected one within the 0 to 5 s that are looked at, "
            "found 7 to 8.5 s");
  EXPECT_THAT(refusal(4, 5.5), HasSubstr("found 4 to 5.5 s"));
  EXPECT_THAT(refusal(5, INFINITY), HasSubstr("found 5 to inf s"));
  EXPECT_THAT(refusal(1e8, 1e9), HasSubstr("that are looked at"));
  // A film of 4.6 s ends in its fifth second.
  EXPECT_THAT(Read(MakeFilm({.audio_codec = "", .frames = 46}), 4, 5).frames, ::testing::SizeIs(1));
}

}  // namespace
}  // namespace gemma3n
