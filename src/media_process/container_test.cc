// SPDX-License-Identifier: Apache-2.0
// Containers in their odd forms, whole and damaged, through the real gemma3n-media: the rows U04,
// V04, V05 and V10 of the hostile inputs that concern how a file is put together.
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
using test_files::BigEndian;
using test_files::Join;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr double kSampleRate = 16000;

VideoClip Read(const Bytes& film) {
  return ParseVideo(film, "film");
}

size_t Find(const Bytes& bytes, const std::string& text, size_t from = 0) {
  const Bytes sought = test_files::FromText(text);
  const auto at = std::search(bytes.begin() + static_cast<ptrdiff_t>(from), bytes.end(),
                              sought.begin(), sought.end());
  return at == bytes.end() ? std::string::npos : static_cast<size_t>(at - bytes.begin());
}

// Overwrites `count` bytes, `offset` behind each box of this type.
Bytes Patched(Bytes film, const std::string& box, size_t offset, size_t count, uint8_t value) {
  for (size_t at = Find(film, box); at != std::string::npos; at = Find(film, box, at + 1))
    std::fill_n(film.begin() + static_cast<ptrdiff_t>(at + 4 + offset), count, value);
  return film;
}

void ExpectWholeFilm(const VideoClip& clip) {
  EXPECT_THAT(clip.frames, SizeIs(5));
  for (const VideoFrame& frame : clip.frames) {
    double grey = 0;
    for (const uint8_t value : frame.image.rgb) grey += value;
    grey /= static_cast<double>(frame.image.rgb.size());
    EXPECT_NEAR(grey, GreyOf(static_cast<int>(std::lround(frame.time_s * 10))), 6);
  }
  EXPECT_NEAR(static_cast<double>(clip.audio.samples.size()), 5 * kSampleRate, 1500);
}

TEST(Container, hostile_U04_FormsOfMp4) {
  const Bytes plain = MakeFilm({});
  EXPECT_GT(Find(plain, "moov"), Find(plain, "mdat"));
  ExpectWholeFilm(Read(plain));
  const Bytes fast = MakeFilm({.muxer_options = "movflags=+faststart"});
  EXPECT_LT(Find(fast, "moov"), Find(fast, "mdat"));
  ExpectWholeFilm(Read(fast));
  const Bytes fragments =
      MakeFilm({.format = "mov",
                .audio_codec = "pcm_s16le",  // no coder's delay, which moves the second frame
                .muxer_options = "movflags=+frag_keyframe+empty_moov+default_base_moof"});
  EXPECT_NE(Find(fragments, "moof"), std::string::npos);
  ExpectWholeFilm(Read(fragments));
}

TEST(Container, hostile_U04_EditListsDelayTheSound) {
  const Bytes film = MakeFilm({.sound_s = 3, .sound_start_s = 1});
  ASSERT_NE(Find(film, "elst"), std::string::npos);
  const std::vector<float> samples = Read(film).audio.samples;
  ASSERT_GT(samples.size(), 40000u);
  const auto heard = std::find_if(samples.begin(), samples.end(),
                                  [](float sample) { return std::abs(sample) > 0.1f; });
  EXPECT_NEAR(static_cast<double>(heard - samples.begin()) / kSampleRate, 1, 0.1);
}

TEST(Container, hostile_U04_EditListsThatLie) {
  const Bytes film = MakeFilm({.sound_s = 3, .sound_start_s = 1});
  // Entries; the first one's length, start and rate.
  for (const size_t offset : {size_t{4}, size_t{8}, size_t{12}, size_t{16}}) {
    for (const uint8_t value : {0x00, 0x7f, 0xff}) {
      VideoClip clip;
      const std::string message =
          MessageOf([&] { clip = Read(Patched(film, "elst", offset, 4, value)); });
      EXPECT_TRUE(message.empty() ? clip.frames.size() == 5 : message.find("film: ") == 0)
          << message;
      // A delay of hours is not filled with silence.
      EXPECT_LE(static_cast<double>(clip.audio.samples.size()), 20 * kSampleRate);
    }
  }
}

TEST(Container, hostile_U04_TablesOfEndlessSamples) {
  const Bytes film = MakeFilm({});
  // The counts of sizes, times, chunks and groups, as 2^32 - 1 and 2^31 - 1.
  for (const char* table : {"stsz", "stts", "stsc", "stco", "stss"}) {
    for (const uint8_t value : {0x7f, 0xff}) {
      const size_t offset = std::string(table) == "stsz" ? 8 : 4;
      VideoClip clip;
      const std::string message =
          MessageOf([&] { clip = Read(Patched(film, table, offset, 4, value)); });
      EXPECT_EQ(message.empty(), !clip.frames.empty()) << table << ": " << message;
    }
  }
}

Bytes OggOpus(double seconds, double tone_hz = 440) {
  return MakeFilm({.format = "ogg",
                   .video_codec = "",
                   .audio_codec = "libopus",
                   .sample_rate_hz = 48000,
                   .sound_s = seconds,
                   .tone_hz = tone_hz});
}

std::vector<Bytes> PagesOf(const Bytes& ogg) {
  std::vector<Bytes> pages;
  for (size_t at = Find(ogg, "OggS"); at != std::string::npos;) {
    const size_t next = std::min(Find(ogg, "OggS", at + 4), ogg.size());
    pages.emplace_back(ogg.begin() + static_cast<ptrdiff_t>(at),
                       ogg.begin() + static_cast<ptrdiff_t>(next));
    at = next < ogg.size() ? next : std::string::npos;
  }
  return pages;
}

// The page with the sum that its bytes ask for.
Bytes Summed(Bytes page) {
  constexpr size_t kSum = 22;
  std::fill_n(page.begin() + kSum, 4, 0);
  uint32_t sum = 0;
  for (const uint8_t byte : page) {
    sum ^= uint32_t{byte} << 24;
    for (int bit = 0; bit < 8; ++bit) sum = sum << 1 ^ (sum >> 31 != 0 ? 0x04c11db7u : 0);
  }
  const Bytes bytes = test_files::LittleEndian(sum, 4);
  std::copy(bytes.begin(), bytes.end(), page.begin() + kSum);
  return page;
}

// Reads twice and expects the same: seconds of sound, 0 where it is refused.
double SecondsRead(const Bytes& sound) {
  AudioClip first, second;
  const std::string message = MessageOf([&] { first = ParseAudio(sound, "sound"); });
  EXPECT_EQ(MessageOf([&] { second = ParseAudio(sound, "sound"); }), message);
  EXPECT_EQ(first.samples, second.samples);
  return static_cast<double>(first.samples.size()) / kSampleRate;
}

TEST(Container, hostile_U04_OggPagesWithWrongSums) {
  const std::vector<Bytes> pages = PagesOf(OggOpus(5));
  ASSERT_GT(pages.size(), 4u);
  EXPECT_EQ(Summed(pages[0]), pages[0]);
  const auto seconds_without = [&](size_t page) {
    std::vector<Bytes> broken = pages;
    broken[page][22] ^= 0xff;  // of the sum itself
    return SecondsRead(Join(broken));
  };
  EXPECT_EQ(seconds_without(0), 0);                        // what the stream is
  EXPECT_NEAR(seconds_without(pages.size() / 2), 4, 0.1);  // a page holds a second
  EXPECT_NEAR(seconds_without(pages.size() - 1), 5, 0.1);  // and the last one hardly anything
}

// The pages from `from` on, once more and `times` times in all.
Bytes Looped(const std::vector<Bytes>& pages, size_t from, size_t times) {
  std::vector<Bytes> all(pages.begin(), pages.begin() + static_cast<ptrdiff_t>(from));
  for (size_t i = 0; i < times; ++i)
    all.insert(all.end(), pages.begin() + static_cast<ptrdiff_t>(from), pages.end());
  return Join(all);
}

TEST(Container, hostile_U04_OggPagesInLoops) {
  const std::vector<Bytes> pages = PagesOf(OggOpus(5));
  ASSERT_GT(pages.size(), 4u);
  // Pages whose numbers and times start again are read as they stand: never more than is there.
  for (const size_t from : {size_t{0}, size_t{2}})  // with the two pages of headers, without
    EXPECT_NEAR(SecondsRead(Looped(pages, from, 8)), 8 * 5, 1) << from;
  std::vector<Bytes> backward(pages.begin(), pages.begin() + 2);
  backward.insert(backward.end(), pages.rbegin(), pages.rend() - 2);
  EXPECT_NEAR(SecondsRead(Join(backward)), 5, 0.2);
  // A limit holds all the same.
  MediaOptions options;
  options.limits.sound_seconds = 20;
  EXPECT_THAT(MessageOf([&] { ParseAudio(Looped(pages, 2, 8), "sound", options); }),
              HasSubstr("the limit is 20 s"));
}

TEST(Container, hostile_U04_OggFilmInALoop) {
  const std::vector<Bytes> pages =
      PagesOf(MakeFilm({.format = "ogg", .video_codec = "libvpx", .audio_codec = "libvorbis"}));
  const Bytes film = Looped(pages, pages.size() / 2, 30);
  const VideoClip clip = Read(film), again = Read(film);
  // Pictures whose time goes back are passed over; the sound goes on.
  EXPECT_NEAR(static_cast<double>(clip.frames.size()), 5, 1);
  EXPECT_LE(static_cast<double>(clip.audio.samples.size()), 30 * 5 * kSampleRate);
  ASSERT_EQ(clip.frames.size(), again.frames.size());
  for (size_t i = 0; i < clip.frames.size(); ++i)
    EXPECT_EQ(clip.frames[i].image.rgb, again.frames[i].image.rgb);
}

TEST(Container, hostile_U04_OggOfManyStreams) {
  const std::vector<Bytes> pages = PagesOf(OggOpus(1));
  const auto with_others = [&](size_t others) {  // that begin and never go on
    std::vector<Bytes> all = {pages[0]};
    for (size_t i = 0; i < others; ++i) {
      Bytes first = pages[0];
      const Bytes serial = test_files::LittleEndian(i, 4);
      std::copy(serial.begin(), serial.end(), first.begin() + 14);
      all.push_back(Summed(first));
    }
    all.insert(all.end(), pages.begin() + 1, pages.end());
    return Join(all);
  };
  EXPECT_NEAR(SecondsRead(with_others(15)), 1, 0.1);
  const auto refusal = [&](size_t others) {
    return MessageOf([&] { ParseAudio(with_others(others), "sound"); });
  };
  EXPECT_THAT(refusal(16), HasSubstr("too many streams, the limit is 16"));
  EXPECT_THAT(refusal(900), HasSubstr("too many streams"));
  // FFmpeg's own limit, which it tells as a lack of memory, comes before ours.
  EXPECT_THAT(refusal(50000), HasSubstr("more memory than allowed"));
}

TEST(Container, hostile_U04_OggFilesInAChain) {
  const AudioClip clip = ParseAudio(Join({OggOpus(2), OggOpus(3, 880)}), "sound");
  EXPECT_GE(static_cast<double>(clip.samples.size()), 1.9 * kSampleRate);
  EXPECT_LE(static_cast<double>(clip.samples.size()), 5.2 * kSampleRate);
}

TEST(Container, hostile_U04_Mp3WhoseRateChanges) {
  const auto mp3 = [](int rate_hz, int channels) {
    return MakeFilm({.format = "mp3",
                     .video_codec = "",
                     .audio_codec = "libmp3lame",
                     .sample_rate_hz = rate_hz,
                     .channels = channels,
                     .sound_s = 2});
  };
  AudioClip clip;
  const std::string message = MessageOf([&] {
    clip = ParseAudio(Join({mp3(44100, 2), mp3(22050, 1)}), "sound");
  });
  if (message.empty()) {
    EXPECT_NEAR(static_cast<double>(clip.samples.size()), 4 * kSampleRate, 0.3 * kSampleRate);
  } else {
    EXPECT_THAT(message, HasSubstr("sound: "));
  }
}

TEST(Container, hostile_U04_WebmOfUnknownSize) {
  const Bytes live = MakeFilm({.format = "webm",
                               .video_codec = "libvpx",
                               .audio_codec = "libvorbis",
                               .muxer_options = "live=1"});
  // The segment's size is all ones, and no duration is said.
  EXPECT_NE(Find(live, "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"), std::string::npos);
  EXPECT_EQ(Find(live, "\x44\x89\x88"), std::string::npos);
  ExpectWholeFilm(Read(live));
}

TEST(Container, hostile_V04_TrackOfNoPixels) {
  Bytes film = Patched(MakeFilm({}), "mp4v", 24, 4, 0);  // of the coded picture
  film = Patched(film, "tkhd", 76, 8, 0);                // as shown
  ExpectWholeFilm(Read(film));                           // the pictures themselves say their size
}

// Version 1 of the film's header, whose dates and duration have 64 bits.
Bytes WithWideHeader(Bytes film, uint64_t duration) {
  const size_t moov = Find(film, "moov"), mvhd = Find(film, "mvhd");
  const auto at = [&](size_t offset) { return film.begin() + static_cast<ptrdiff_t>(offset); };
  const Bytes time_scale(at(mvhd + 16), at(mvhd + 20));
  const Bytes wide = Join({{1, 0, 0, 0}, Bytes(16), time_scale, BigEndian(duration, 8)});
  const auto grow = [&](size_t box) {  // by the 12 bytes that the three fields gain
    const Bytes size = BigEndian((uint32_t{film[box - 2]} << 8 | film[box - 1]) + 12, 2);
    std::copy(size.begin(), size.end(), at(box - 2));
  };
  grow(moov);
  grow(mvhd);
  return Join({Bytes(film.begin(), at(mvhd + 4)), wide, Bytes(at(mvhd + 24), film.end())});
}

TEST(Container, hostile_V05_WideDurations) {
  const Bytes film = MakeFilm({});
  for (const uint64_t duration : {uint64_t{0}, uint64_t{1} << 63, ~uint64_t{0}, uint64_t{5000}}) {
    const Bytes wide = WithWideHeader(film, duration);
    EXPECT_EQ(wide.size(), film.size() + 12);
    const VideoClip clip = Read(wide);
    ExpectWholeFilm(clip);
    EXPECT_NEAR(clip.duration_s, 5, 0.1);
  }
}

TEST(Container, hostile_V10_InterlacedPicturesAreShownAsTheyAre) {
  const Bytes film = MakeFilm({.format = "mpegts",
                               .video_codec = "mpeg2video",
                               .audio_codec = "",
                               .fps = 25,
                               .frames = 125,
                               .interlaced = true});
  const VideoClip clip = Read(film), again = Read(film);
  ASSERT_THAT(clip.frames, SizeIs(5));
  for (size_t i = 0; i < clip.frames.size(); ++i) {
    EXPECT_EQ(clip.frames[i].image.height, 48);
    EXPECT_EQ(clip.frames[i].image.rgb, again.frames[i].image.rgb);
  }
}

}  // namespace
}  // namespace gemma3n
