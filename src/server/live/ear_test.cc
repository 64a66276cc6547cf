// SPDX-License-Identifier: Apache-2.0
#include "server/live/ear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "gemma3n/media.h"

namespace gemma3n::server {
namespace {

using Kind = EarEvent::Kind;

const RawSound kAt24k{24000, 1, RawSound::Format::kS16};

std::string Pcm(std::span<const float> samples) {
  std::string bytes;
  for (const float sample : samples) {
    const auto value = static_cast<int16_t>(std::lround(sample * 32767));
    bytes += static_cast<char>(value & 0xff);
    bytes += static_cast<char>(value >> 8);
  }
  return bytes;
}

// Somebody says something, at 16 kHz.
const std::vector<float>& Speech() {
  static const std::vector<float> samples =
      LoadAudio(GEMMA3N_SOURCE_DIR "/models/nano/eval/speech new voices-0001.flac").samples;
  return samples;
}

std::string Silence(double seconds, int rate_hz = 16000) {
  return std::string(static_cast<size_t>(seconds * rate_hz) * 2, '\0');
}

std::vector<EarEvent> Push(Ear& ear, const std::string& bytes, size_t piece) {
  std::vector<EarEvent> events;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    for (EarEvent& event : ear.Push(std::string_view(bytes).substr(at, piece))) {
      events.push_back(std::move(event));
    }
  }
  return events;
}

std::vector<float> Joined(const Clips& clips) {
  std::vector<float> all;
  for (const auto& clip : clips) all.insert(all.end(), clip->samples.begin(), clip->samples.end());
  return all;
}

TEST(Ear, TellsWhatWasSaidAndWhen) {
  const std::string sound = Silence(1) + Pcm(Speech()) + Silence(1.5) + Pcm(Speech()) + Silence(1);
  const auto length_ms = static_cast<int64_t>(Speech().size()) / 16;
  std::vector<float> first;
  for (const size_t piece : {size_t{1}, size_t{999}, size_t{6400}, sound.size()}) {
    Ear ear(30);
    ear.SetFormat({});
    ear.SetDetection(Detection{});
    const auto events = Push(ear, sound, piece);
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(events[0].kind, Kind::kBegin);
    EXPECT_NEAR(static_cast<double>(events[0].at_ms), 1000 - 300, 250);
    EXPECT_EQ(events[1].kind, Kind::kEnd);
    EXPECT_NEAR(static_cast<double>(events[1].at_ms), 1000.0 + static_cast<double>(length_ms), 400);
    ASSERT_EQ(events[1].clips.size(), 1u);
    EXPECT_EQ(events[1].at_ms - events[0].at_ms,
              static_cast<int64_t>(events[1].clips[0]->samples.size()) / 16);
    EXPECT_NEAR(static_cast<double>(events[2].at_ms - events[0].at_ms),
                static_cast<double>(length_ms) + 1500, 20);
    EXPECT_FALSE(ear.is_speaking());
    EXPECT_EQ(ear.held_ms(), 0);
    if (first.empty()) first = events[1].clips[0]->samples;
    EXPECT_EQ(events[1].clips[0]->samples, first);  // however it is cut
  }
}

TEST(Ear, HearsSilenceAndNoiseWithoutEnd) {
  Ear ear(30);
  ear.SetFormat({});
  ear.SetDetection(Detection{});
  std::string noise;
  uint32_t seed = 1;
  for (int i = 0; i < 160000; ++i) {
    seed = seed * 1664525 + 1013904223;
    noise += static_cast<char>(seed >> 24);
    noise += static_cast<char>(static_cast<int8_t>(seed >> 16) / 16);
  }
  for (int i = 0; i < 12; ++i) {
    for (const EarEvent& event : ear.Push(i % 2 == 0 ? noise : Silence(10))) {
      EXPECT_NE(event.kind, Kind::kEnd);
    }
  }
  EXPECT_EQ(ear.now_ms(), 120000);
  EXPECT_EQ(ear.held_ms(), 0);
}

TEST(Ear, WithoutDetectionAllIsHeldUpToALimit) {
  Ear ear(30);
  ear.SetFormat(kAt24k);
  ear.SetDetection({});
  EXPECT_TRUE(ear.Push(Silence(29.5, 24000)).empty());
  EXPECT_EQ(ear.held_ms(), 29500);  // with what the resampler still has
  const auto dropped = Push(ear, Silence(5, 24000), 4801);
  ASSERT_EQ(dropped.size(), 1u);  // told once
  EXPECT_EQ(dropped[0].kind, Kind::kDropped);
  EXPECT_NEAR(static_cast<double>(ear.held_ms()), 30000, 50);
  const auto ended = ear.End();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].kind, Kind::kEnd);
  EXPECT_EQ(ended[0].at_ms, 34500);  // every sample was counted
  EXPECT_EQ(Joined(ended[0].clips).size(), 480000u);
  EXPECT_EQ(ear.held_ms(), 0);
  EXPECT_TRUE(ear.End().empty());
}

TEST(Ear, CutsWhatIsTooLongWhereItIsQuiet) {
  std::vector<float> sound;
  for (int i = 0; i < 5; ++i) {
    sound.insert(sound.end(), 40000, 0.3f);
    sound.insert(sound.end(), 2000, 0.0f);
  }
  Ear ear(3);
  ear.SetFormat({});
  ear.SetDetection({});
  ear.Push(Pcm(sound));
  const auto ended = ear.End();
  ASSERT_EQ(ended.size(), 1u);
  ASSERT_EQ(ended[0].clips.size(), 5u);
  EXPECT_EQ(Joined(ended[0].clips).size(), sound.size());
  for (size_t i = 0; i + 1 < 5; ++i) {
    const auto& samples = ended[0].clips[i]->samples;
    EXPECT_LE(samples.size(), 48000u);
    EXPECT_EQ(samples.back(), 0);
  }
}

TEST(Ear, AnotherFormatGoesOnWithTheTime) {
  Ear ear(30);
  ear.SetDetection({});
  ear.SetFormat(kAt24k);
  ear.Push(Silence(1, 24000) + "x");  // half a sample, which is lost
  ear.End();
  ear.SetFormat({8000, 1, RawSound::Format::kMuLaw});
  ear.Push(std::string(8000, '\xff'));
  ear.Clear();
  EXPECT_EQ(ear.held_ms(), 0);
  EXPECT_EQ(ear.now_ms(), 2000);
}

}  // namespace
}  // namespace gemma3n::server
