// SPDX-License-Identifier: Apache-2.0
// Sound files that FFmpeg reads, through the real gemma3n-media: the rows of section 8 of the
// hostile inputs that concern MP3 and M4A.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "gemma3n/media.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::BigEndian;
using test_files::FromText;
using test_files::Join;
using test_files::MessageOf;
using ::testing::HasSubstr;

Bytes Mp3() {
  return MakeFilm({.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame"});
}

// An MP3 file with a tag (ID3 version 2.3) of 100 MiB that begins as `frames`; the rest of it is a
// hole in the file.
std::string TaggedMp3(const Bytes& frames) {
  constexpr size_t kHeader = 10, kTag = 50 << 21;
  const std::string path = ::testing::TempDir() + "/sound_test_tagged.mp3";
  std::ofstream file(path, std::ios::binary);
  const auto write = [&](const Bytes& bytes) {
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  };
  write(Join({FromText("ID3"), {3, 0, 0, kTag >> 21, 0, 0, 0}, frames}));
  file.seekp(kHeader + kTag);
  write(Mp3());
  return path;
}

Bytes TagFrame(const std::string& kind, size_t bytes, const Bytes& body) {
  return Join({FromText(kind), BigEndian(bytes, 4), {0, 0}, body});
}

TEST(Sound, hostile_U04_TagsOf100MiB) {
  constexpr size_t kMost = (50 << 21) - 10;  // what one frame of the tag may hold
  // Texts under names that all differ, which FFmpeg would compare with each other.
  Bytes texts, one = TagFrame("TXXX", 11, FromText(std::string_view("\0aaaaaaaa\0x", 11)));
  while (texts.size() + one.size() < kMost) {
    for (size_t digit = 11; ++one[digit] > 'z'; ++digit) one[digit] = 'a';
    texts.insert(texts.end(), one.begin(), one.end());
  }
  const Bytes picture = Join({{0}, FromText("image/png"), {0, 3, 0}});
  const std::vector<std::pair<const char*, Bytes>> tags = {
      {"nothing", {}}, {"picture", TagFrame("APIC", kMost, picture)}, {"texts", texts}};
  const AudioClip plain = ParseAudio(Mp3(), "plain");
  for (const auto& [name, frames] : tags) {
    const std::string path = TaggedMp3(frames);
    const AudioClip clip = LoadAudio(path);
    EXPECT_EQ(clip.samples, plain.samples) << name;
    std::filesystem::remove(path);
  }
}

TEST(Sound, hostile_U04_TagsThatLie) {
  const Bytes mp3 = Mp3(), head = FromText("ID3");
  const auto samples = [&](const Bytes& before) {
    AudioClip clip;
    const std::string message = MessageOf([&] { clip = ParseAudio(Join({before, mp3}), "sound"); });
    EXPECT_EQ(message.empty(), !clip.samples.empty());
    return clip.samples.size();
  };
  const size_t whole = samples({});
  EXPECT_EQ(samples(Join({head, {3, 0, 0, 0, 0, 0, 7}, Bytes(7)})), whole);
  // One behind the other, the first with a footer.
  EXPECT_EQ(
      samples(Join({head, {4, 0, 0x10, 0, 0, 1, 0}, Bytes(138), head, {3, 0, 0, 0, 0, 0, 0}})),
      whole);
  EXPECT_EQ(samples(Join({head, {3, 0, 0, 0x7f, 0x7f, 0x7f, 0x7f}})), 0u);         // past the end
  EXPECT_GT(samples(Join({head, {3, 0, 0, 0xff, 0xff, 0xff, 0xff}})), whole / 2);  // no tag
}

TEST(Sound, hostile_U04_BrokenFrames) {
  AudioClip clip;
  Bytes broken = Mp3();
  for (size_t at = 2000; at < broken.size(); at += 700) broken[at] ^= 0xff;
  EXPECT_TRUE(MessageOf([&] { clip = ParseAudio(broken, "broken"); }).empty());
  EXPECT_GT(clip.samples.size(), 20000u);
}

TEST(Sound, hostile_U05_TooLongIsKnownBeforeDecoding) {
  MediaOptions options;
  options.limits.sound_seconds = 3;
  const Bytes sound = MakeFilm({.format = "ipod", .video_codec = "", .audio_codec = "aac"});
  EXPECT_THAT(MessageOf([&] { ParseAudio(sound, "sound", options); }),
              HasSubstr("the limit is 3 s"));
}

// The tone is heard at every rate and in any number of channels, and is as long as it was.
TEST(Sound, hostile_U06_RatesAndChannelsOfSoundtracks) {
  for (const int rate : {8000, 11025, 44100, 96000, 192000}) {
    for (const int channels : {1, 6, 8}) {
      const AudioClip clip = ParseAudio(MakeFilm({.format = "matroska",
                                                  .audio_codec = "flac",
                                                  .frames = 10,
                                                  .sample_rate_hz = rate,
                                                  .channels = channels,
                                                  .sound_s = 1}),
                                        "film");
      EXPECT_NEAR(static_cast<double>(clip.samples.size()), 16000, 2) << rate << " " << channels;
      int crossings = 0;  // of zero, upwards: a tone of 440 Hz
      for (size_t i = 1; i < clip.samples.size(); ++i)
        crossings += clip.samples[i - 1] < 0 && clip.samples[i] >= 0;
      EXPECT_NEAR(crossings, 440, 2) << rate << " " << channels;
      EXPECT_NEAR(*std::max_element(clip.samples.begin(), clip.samples.end()), 0.5, 0.02)
          << rate << " " << channels;
    }
  }
  MediaOptions few;
  few.limits.sound_channels = 6;
  EXPECT_THAT(MessageOf([&] {
                ParseAudio(MakeFilm({.format = "matroska",
                                     .video_codec = "",
                                     .audio_codec = "flac",
                                     .channels = 8,
                                     .sound_s = 1}),
                           "film", few);
              }),
              HasSubstr("expected 1 to 6 sound channels, found 8"));
}

}  // namespace
}  // namespace gemma3n
