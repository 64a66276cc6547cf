// SPDX-License-Identifier: Apache-2.0
#include "audio/mel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gemma3n {
namespace {

// Logarithms of sums of float32 magnitudes against values made in float64.
constexpr double kMelTolerance = 1e-4;

TEST(Mel, CountsFramesAsTheReference) {
  const MelConfig mel;
  const int64_t cases[][2] = {{0, 0},      {512, 0},     {513, 1},      {640, 1},      {641, 2},
                              {16000, 97}, {20000, 123}, {160000, 997}, {480000, 2997}};
  for (const auto& [samples, frames] : cases) EXPECT_EQ(mel.NumFrames(samples), frames) << samples;
}

// Values of the reference's feature extractor for a tone in pseudo-random noise.
TEST(Mel, GoldenFeatures) {
  std::vector<float> samples;
  for (int64_t n = 0; n < 20000; ++n) {
    const double noise = static_cast<double>((7919 * n + 12345) % 20011) / 20011.0 - 0.5;
    const double tone = std::sin(2 * M_PI * 440.0 * static_cast<double>(n) / 16000.0);
    samples.push_back(static_cast<float>(0.25 * noise + 0.5 * tone));
  }
  const Tensor features = MelExtractor(MelConfig{}).Extract(samples, true);
  ASSERT_EQ(features.shape(), Shape({123, 128}));
  const int bins[] = {0, 1, 10, 31, 64, 127};
  const struct {
    int frame;
    double values[6];
  } goldens[] = {{0, {-4.47550, -5.02752, -1.87504, -2.55936, -0.52381, 1.19903}},
                 {1, {-4.84293, -4.50361, -1.98640, -2.29492, -0.29579, 1.36453}},
                 {60, {-5.08824, -4.60539, -2.19771, -2.36236, -0.26470, 1.39219}},
                 {122, {-3.93073, -4.22283, -2.22865, -2.67189, -0.39512, 1.29859}}};
  for (const auto& golden : goldens) {
    for (int i = 0; i < 6; ++i) {
      EXPECT_NEAR(features.row(golden.frame)[bins[i]], golden.values[i], kMelTolerance);
    }
  }
}

TEST(Mel, hostile_U03_SilenceIsTheFloor) {
  const Tensor features = MelExtractor(MelConfig{}).Extract(std::vector<float>(16000, 0.0f), true);
  ASSERT_EQ(features.shape(), Shape({97, 128}));
  for (float value : features.span()) EXPECT_NEAR(value, std::log(1e-5), 1e-6);
}

// A frame is there with its 512 samples, but where the clip might end so that the reference's
// windows of 513 leave it out: 512 and 1152 samples are whole paddings.
TEST(Mel, FramesComeAsSoonAsTheyAreKnown) {
  MelExtractor mel{MelConfig{}};
  std::vector<int64_t> ends;  // how many samples there were when a frame came
  for (int64_t samples = 1; samples <= 1313; ++samples) {
    const float sample = static_cast<float>(samples % 7) - 3;
    for (int64_t n = mel.Extract({&sample, 1}, false).shape()[0]; n > 0; --n) {
      ends.push_back(samples);
    }
  }
  EXPECT_EQ(ends, std::vector<int64_t>({513, 672, 832, 992, 1153, 1312}));
}

TEST(Mel, PiecesAreTheWhole) {
  MelConfig plain, next, flat, apart;
  next.preemphasis_htk_flavor = false;  // reads one sample more
  flat.preemphasis = 0;
  apart.hop_length = 700;  // samples between frames that no frame has
  for (const MelConfig& config : {plain, next, flat, apart}) {
    for (int64_t size : {0, 512, 513, 640, 1152, 1153, 5000}) {
      std::vector<float> samples(size);
      for (int64_t n = 0; n < size; ++n) {
        samples[n] = static_cast<float>((7919 * n + 12345) % 20011) / 20011.0f - 0.5f;
      }
      const Tensor whole = MelExtractor(config).Extract(samples, true);
      ASSERT_EQ(whole.shape()[0], config.NumFrames(size));
      for (int64_t piece : {1, 100, 513}) {
        MelExtractor mel(config);
        std::vector<float> frames;
        for (int64_t at = 0; at < size; at += piece) {
          const Tensor some = mel.Extract(
              std::span(samples).subspan(at, std::min<int64_t>(piece, size - at)), false);
          frames.insert(frames.end(), some.span().begin(), some.span().end());
        }
        const Tensor rest = mel.Extract({}, true);
        frames.insert(frames.end(), rest.span().begin(), rest.span().end());
        EXPECT_EQ(frames, std::vector<float>(whole.span().begin(), whole.span().end()))
            << size << " in pieces of " << piece;
      }
    }
  }
}

}  // namespace
}  // namespace gemma3n
