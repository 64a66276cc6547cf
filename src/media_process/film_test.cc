// SPDX-License-Identifier: Apache-2.0
// Films through the real gemma3n-media, made by FFmpeg's encoders on the spot; section 9 of the
// hostile inputs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "gemma3n/media.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using test_files::FromText;
using test_files::Join;
using test_files::MessageOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

VideoClip Read(const Bytes& bytes, const VideoOptions& video = {},
               const MediaOptions& options = {}) {
  return ParseVideo(bytes, "film", video, options);
}

std::string Refusal(const Bytes& bytes, const VideoOptions& video = {},
                    const MediaOptions& options = {}) {
  return MessageOf([&] { Read(bytes, video, options); });
}

double Grey(const Image& image) {
  double sum = 0;
  for (const uint8_t value : image.rgb) sum += value;
  return sum / static_cast<double>(image.rgb.size());
}

std::vector<double> Times(const VideoClip& clip) {
  std::vector<double> times;
  for (const VideoFrame& frame : clip.frames) times.push_back(frame.time_s);
  return times;
}

// Each frame's colour must be that of the film's frame at its time.
void ExpectFramesMatchTimes(const VideoClip& clip, int fps, double tolerance = 6) {
  for (const VideoFrame& frame : clip.frames) {
    const int index = static_cast<int>(std::lround(frame.time_s * fps));
    EXPECT_NEAR(Grey(frame.image), GreyOf(index), tolerance) << "at " << frame.time_s << " s";
  }
}

// Crossings of zero a second, halved, away from the ends.
double ToneOf(const AudioClip& clip) {
  int crossings = 0;
  const size_t from = clip.samples.size() / 4, to = clip.samples.size() * 3 / 4;
  for (size_t i = from; i + 1 < to; ++i)
    crossings += (clip.samples[i] < 0) != (clip.samples[i + 1] < 0) ? 1 : 0;
  return crossings * 8000.0 / static_cast<double>(to - from);
}

TEST(Film, FramesComeAtTheRateAskedFor) {
  const Bytes film = MakeFilm({});
  const VideoClip clip = Read(film);
  EXPECT_THAT(Times(clip), ::testing::Pointwise(::testing::DoubleNear(1e-6), {0, 1, 2, 3, 4}));
  ExpectFramesMatchTimes(clip, 10);
  EXPECT_NEAR(clip.duration_s, 5, 0.01);
  EXPECT_EQ(clip.frames[0].image.width, 64);
  EXPECT_EQ(clip.frames[0].image.height, 48);
  EXPECT_EQ(clip.audio.sample_rate_hz, 16000);
  EXPECT_NEAR(static_cast<double>(clip.audio.samples.size()), 80000, 1000);
  EXPECT_NEAR(ToneOf(clip.audio), 440, 2);

  const VideoClip more = Read(film, {.fps = 5});
  EXPECT_THAT(more.frames, SizeIs(25));
  ExpectFramesMatchTimes(more, 10);
  const VideoClip spread = Read(film, {.fps = 5, .max_frames = 4, .soundtrack = false});
  EXPECT_THAT(Times(spread),
              ::testing::Pointwise(::testing::DoubleNear(0.051), {0.0, 1.25, 2.5, 3.75}));
  EXPECT_TRUE(spread.audio.samples.empty());
}

TEST(Film, LoadsFromAPathWithoutCopyingTheFile) {
  const std::string path = ::testing::TempDir() + "/film_test.mp4";
  const Bytes film = MakeFilm({});
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(film.data()), static_cast<std::streamsize>(film.size()));
  EXPECT_THAT(LoadVideo(path).frames, SizeIs(5));
  EXPECT_NEAR(ToneOf(LoadAudio(path)), 440, 2);
}

TEST(Film, hostile_V03_EveryListedCodecIsRead) {
  const std::vector<FilmSpec> specs = {
      {.format = "mp4", .video_codec = "libx264", .audio_codec = "aac"},
      {.format = "mov", .video_codec = "libx265", .audio_codec = "pcm_s16le"},
      {.format = "matroska", .video_codec = "libx264", .audio_codec = "flac"},
      {.format = "webm", .video_codec = "libvpx", .audio_codec = "libvorbis"},
      {.format = "webm",
       .video_codec = "libvpx-vp9",
       .audio_codec = "libopus",
       .sample_rate_hz = 48000},
      {.format = "mp4", .video_codec = "libaom-av1", .frames = 20},
      {.format = "avi", .video_codec = "mjpeg", .audio_codec = "libmp3lame"},
      {.format = "avi", .video_codec = "mpeg4", .audio_codec = "pcm_s16le"},
      {.format = "mpegts", .video_codec = "mpeg2video", .audio_codec = "aac"},
      {.format = "mpegts", .video_codec = "libx264", .audio_codec = "libmp3lame"},
      {.format = "ogg", .video_codec = "libvpx", .audio_codec = "libvorbis"},
  };
  for (FilmSpec spec : specs) {
    SCOPED_TRACE(spec.format + " " + spec.video_codec + " " + spec.audio_codec);
    if (!HaveEncoder(spec.video_codec) || !HaveEncoder(spec.audio_codec)) continue;
    if (spec.video_codec == "mpeg2video") spec.fps = 25, spec.frames = 125;  // knows few rates
    const VideoClip clip = Read(MakeFilm(spec));
    const size_t seconds = static_cast<size_t>(spec.frames / spec.fps);
    if (spec.format == "avi" && spec.audio_codec == "libmp3lame") {
      // AVI has one clock for both tracks: the coder's delay of the sound shows as an extra tick.
      EXPECT_THAT(clip.frames, SizeIs(AnyOf(seconds, seconds + 1)));
    } else {
      EXPECT_THAT(clip.frames, SizeIs(seconds));
      ExpectFramesMatchTimes(clip, spec.fps);
    }
    EXPECT_NEAR(ToneOf(clip.audio), 440, 3);
  }
}

TEST(Film, SoundFilesGoThroughTheProgram) {
  const std::vector<FilmSpec> specs = {
      {.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame"},
      {.format = "adts", .video_codec = "", .audio_codec = "aac"},
      {.format = "ipod", .video_codec = "", .audio_codec = "aac"},
      {.format = "ogg", .video_codec = "", .audio_codec = "libopus", .sample_rate_hz = 48000},
      {.format = "ogg", .video_codec = "", .audio_codec = "libvorbis"},
      {.format = "webm", .video_codec = "", .audio_codec = "libopus", .sample_rate_hz = 48000},
  };
  for (const FilmSpec& spec : specs) {
    SCOPED_TRACE(spec.format + " " + spec.audio_codec);
    const AudioClip clip = ParseAudio(MakeFilm(spec), "sound");
    EXPECT_NEAR(ToneOf(clip), 440, 3);
    EXPECT_NEAR(static_cast<double>(clip.samples.size()), 80000, 2500);
  }
}

TEST(Film, SoundtrackStartsWithTheFrames) {
  const AudioClip late = Read(MakeFilm({.format = "matroska",
                                        .audio_codec = "pcm_s16le",
                                        .sample_rate_hz = 16000,
                                        .sound_start_s = 1}))
                             .audio;
  ASSERT_GT(late.samples.size(), 20000u);
  for (size_t i = 0; i < 15900; ++i) ASSERT_EQ(late.samples[i], 0) << i;
  double loudest = 0;
  for (size_t i = 16000; i < 17000; ++i) loudest = std::max<double>(loudest, late.samples[i]);
  EXPECT_NEAR(loudest, 0.5, 0.01);
}

TEST(Film, SkippedGroupsChangeNoPicture) {
  const Bytes film =
      MakeFilm({.video_codec = "libx264", .audio_codec = "", .frames = 400, .group = 10});
  const VideoClip all = Read(film, {.fps = 10, .max_frames = 120});
  const VideoClip few = Read(film, {.fps = 0.1});
  ASSERT_THAT(few.frames, SizeIs(4));
  ExpectFramesMatchTimes(few, 10);
  for (const VideoFrame& frame : few.frames) {
    for (const VideoFrame& same : all.frames)
      if (same.time_s == frame.time_s) {
        EXPECT_EQ(same.image.rgb, frame.image.rgb);
      }
  }
}

TEST(Film, hostile_V01_OtherContainersAreNamed) {
  EXPECT_THAT(Refusal(Join({FromText("FLV"), {1, 5, 0, 0, 0, 9}})), HasSubstr("Flash video"));
  EXPECT_THAT(Refusal({0, 0, 1, 0xba, 0x44}), HasSubstr("MPEG program stream"));
  EXPECT_THAT(Refusal({0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11}),
              HasSubstr("Windows Media"));
  EXPECT_THAT(Refusal(FromText("GIF89a")), HasSubstr("found GIF"));
  EXPECT_THAT(Refusal(FromText("no film")), HasSubstr("bytes of no known format"));
  EXPECT_THAT(Refusal(MakeFilm({.format = "nut"})), HasSubstr("unsupported film format"));
}

TEST(Film, hostile_V02_PlaylistsAndReferencesOpenNothing) {
  for (const char* text : {"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "ffconcat version 1.0\nfile x\n",
                           "v=0\no=- 0 0 IN IP4 127.0.0.1\n", "<?xml?><MPD></MPD>",
                           "file '/etc/passwd'\n", "image-%03d.png"}) {
    EXPECT_THAT(Refusal(FromText(text)), HasSubstr("unsupported film format")) << text;
  }
  // QuickTime whose samples lie in another file: the reference is never followed.
  Bytes film = MakeFilm({.format = "mov", .audio_codec = ""});
  const std::string url = "url ";
  const auto entry = std::search(film.begin(), film.end(), url.begin(), url.end());
  ASSERT_NE(entry, film.end());
  std::copy_n("alis", 4, entry);
  entry[7] = 0;  // not in this file
  VideoClip clip;
  const std::string message = MessageOf([&] { clip = Read(film); });
  EXPECT_TRUE(message.empty() || message.find("cannot read") != message.npos) << message;
}

TEST(Film, hostile_V03_OtherCodecsAreNamed) {
  EXPECT_THAT(Refusal(MakeFilm({.format = "matroska", .video_codec = "ffv1"})),
              HasSubstr("found ffv1"));
  EXPECT_THAT(Refusal(MakeFilm({.format = "mov", .video_codec = "jpeg2000"})),
              HasSubstr("found jpeg2000"));
  EXPECT_THAT(Refusal(MakeFilm({.format = "matroska", .audio_codec = "ac3"})),
              HasSubstr("found ac3"));
  // Without the soundtrack its codec does not matter.
  EXPECT_THAT(
      Read(MakeFilm({.format = "matroska", .audio_codec = "ac3"}), {.soundtrack = false}).frames,
      SizeIs(5));
}

TEST(Film, hostile_V04_Tracks) {
  EXPECT_THAT(Refusal(MakeFilm({.video_codec = ""})), HasSubstr("no video track"));
  EXPECT_THAT(MessageOf([] { ParseAudio(MakeFilm({.audio_codec = ""}), "film"); }),
              HasSubstr("no sound"));
  const FilmSpec many{.format = "matroska",
                      .video_codec = "",
                      .audio_codec = "pcm_s16le",
                      .audio_tracks = 17,
                      .sound_s = 0.1};
  EXPECT_THAT(MessageOf([&] { ParseAudio(MakeFilm(many), "film"); }),
              HasSubstr("too many streams, the limit is 16"));
}

Bytes SizedJpeg(int width, int height) {
  return test_files::Jpeg(test_files::Picture(width, height));
}

TEST(Film, hostile_V04_SizesThatChange) {
  std::vector<JpegFrame> frames;
  const int sizes[][2] = {{16, 16}, {200, 10}, {1, 1}, {33, 77}, {640, 480}};
  for (int64_t i = 0; i < 5; ++i) frames.push_back({SizedJpeg(sizes[i][0], sizes[i][1]), i * 1000});
  const VideoClip clip = Read(MakeJpegFilm("matroska", frames, 1000));
  ASSERT_THAT(clip.frames, SizeIs(5));
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(clip.frames[i].image.width, sizes[i][0]);
    EXPECT_EQ(clip.frames[i].image.height, sizes[i][1]);
  }
  // A frame over the limit is scaled down to it.
  MediaOptions small;
  small.limits.video_frame_pixels = 640 * 480 / 4;
  const VideoClip scaled = Read(MakeJpegFilm("matroska", frames, 1000), {}, small);
  EXPECT_EQ(scaled.frames[4].image.width, 320);
  EXPECT_EQ(scaled.frames[4].image.height, 240);
  // One that claims 16384 x 16384 is not decoded.
  Bytes huge = SizedJpeg(16, 16);
  for (size_t i = 0; i + 9 < huge.size(); ++i)
    if (huge[i] == 0xff && huge[i + 1] == 0xc0) huge[i + 5] = huge[i + 7] = 0x40;
  EXPECT_NE(Refusal(MakeJpegFilm("matroska", {{huge, 0}, {huge, 1000}}, 1000)), "");
}

// Overwrites `bytes` bytes at `offset` after each box of this type.
Bytes Patched(Bytes film, const std::string& box, size_t offset, size_t bytes, uint8_t value) {
  for (auto at = film.begin();;) {
    at = std::search(at, film.end(), box.begin(), box.end());
    if (at == film.end()) return film;
    std::fill_n(at + static_cast<ptrdiff_t>(4 + offset), bytes, value);
    ++at;
  }
}

TEST(Film, hostile_V05_DeclaredDurationsAreNotBelieved) {
  const Bytes film = MakeFilm({.audio_codec = ""});
  for (const uint8_t value : {0x00, 0x7f, 0xff}) {
    // Version 0: flags, two dates, time scale, duration.
    Bytes lying = Patched(film, "mvhd", 16, 4, value);
    lying = Patched(lying, "mdhd", 16, 4, value);
    lying = Patched(lying, "tkhd", 20, 4, value);
    EXPECT_THAT(Read(lying).frames, SizeIs(5)) << int{value};
  }
}

TEST(Film, hostile_V05_TimeStamps) {
  const Bytes jpeg = SizedJpeg(16, 16);
  const auto film = [&](const std::vector<int64_t>& times) {
    std::vector<JpegFrame> frames;
    for (const int64_t time : times) frames.push_back({jpeg, time});
    return MakeJpegFilm("matroska", frames, 1000);
  };
  EXPECT_THAT(Read(film({0, 0, 0, 0})).frames, SizeIs(1));
  EXPECT_THAT(Times(Read(film({0, 3000, 2000, 1000, 4000}))), ::testing::ElementsAre(0, 3, 4));
  // A jump of a month, and back.
  const VideoClip jumping = Read(film({0, 1000, 2000, 2592000000, 2592001000}));
  EXPECT_GE(jumping.frames.size(), 2u);
  EXPECT_LE(jumping.duration_s, 7200);
}

TEST(Film, hostile_V06_FrameRates) {
  const Bytes jpeg = SizedJpeg(16, 16);
  std::vector<JpegFrame> daily, fast;
  for (int64_t i = 0; i < 3; ++i) daily.push_back({jpeg, i * 86400000});
  EXPECT_THAT(Read(MakeJpegFilm("matroska", daily, 1000)).frames, SizeIs(1));  // in its first 2 h
  for (int64_t i = 0; i < 20000; ++i) fast.push_back({jpeg, i});
  const Bytes film = MakeJpegFilm("mov", fast, 10000);
  EXPECT_THAT(Times(Read(film)), ::testing::Pointwise(::testing::DoubleNear(1e-9), {0.0, 1.0}));
  EXPECT_THAT(Read(film, {.fps = 1000, .max_frames = 7}).frames, SizeIs(7));
}

TEST(Film, hostile_V06_KeyFrames) {
  // One key frame at the start only.
  const VideoClip clip =
      Read(MakeFilm({.video_codec = "libx264", .audio_codec = "", .frames = 300, .group = 10000}));
  EXPECT_THAT(clip.frames, SizeIs(30));
  ExpectFramesMatchTimes(clip, 10);
  // None at all.
  VideoClip broken;
  const Bytes film = MakeFilm({.format = "mpegts",
                               .video_codec = "libx264",
                               .audio_codec = "",
                               .group = 10000,
                               .skip_first_packet = true});
  const std::string message = MessageOf([&] { broken = Read(film); });
  EXPECT_TRUE(!message.empty() || broken.frames.size() <= 5u);
}

TEST(Film, hostile_V10_TurnedFilms) {
  constexpr int32_t k1 = 1 << 16;
  constexpr int32_t kW = 1 << 30;
  const Bytes upright = MakeFilm({.audio_codec = "", .frames = 10});
  const Image image = Read(upright).frames[0].image;
  const struct {
    int32_t a, b, c, d;
    int width;
  } turns[] = {{k1, 0, 0, k1, 64},
               {0, k1, -k1, 0, 48},
               {-k1, 0, 0, -k1, 64},
               {0, -k1, k1, 0, 48},
               {-k1, 0, 0, k1, 64}};
  for (const auto& turn : turns) {
    const std::vector<int32_t> matrix = {turn.a, turn.b, 0, turn.c, turn.d, 0, 0, 0, kW};
    const VideoClip clip =
        Read(MakeFilm({.audio_codec = "", .frames = 10, .display_matrix = matrix}));
    EXPECT_EQ(clip.frames[0].image.width, turn.width);
    EXPECT_EQ(clip.frames[0].image.width * clip.frames[0].image.height, 64 * 48);
  }
}

TEST(Film, hostile_V10_OddSizesDepthsAndPixels) {
  for (const bool ten_bit : {false, true}) {
    const Bytes film = MakeFilm({.video_codec = ten_bit ? "libx265" : "libx264",
                                 .audio_codec = "",
                                 .width = 66,
                                 .height = 50,
                                 .ten_bit = ten_bit,
                                 .pixel_aspect = 2});
    const VideoClip clip = Read(film);
    EXPECT_THAT(clip.frames, SizeIs(5));
    EXPECT_EQ(clip.frames[0].image.width, 66);
    ExpectFramesMatchTimes(clip, 10);
    const VideoClip again = Read(film);
    for (size_t i = 0; i < clip.frames.size(); ++i)
      EXPECT_EQ(clip.frames[i].image.rgb, again.frames[i].image.rgb);
  }
  const VideoClip odd = Read(MakeJpegFilm("matroska", {{SizedJpeg(63, 47), 0}}, 1000));
  EXPECT_EQ(odd.frames[0].image.width, 63);
  EXPECT_EQ(odd.frames[0].image.height, 47);
}

TEST(Film, hostile_V10_HdrIsNotToneMapped) {
  if (!HaveEncoder("libx265")) GTEST_SKIP() << "needs libx265";
  for (const char* format : {"mp4", "matroska"}) {
    FilmSpec spec{.format = format,
                  .video_codec = "libx265",
                  .audio_codec = "",
                  .frames = 20,
                  .ten_bit = true,
                  .hdr = true};
    // The curve is not undone: a grey of HDR is the grey that its luma is in any film.
    const VideoClip grey = Read(MakeFilm(spec));
    ASSERT_THAT(grey.frames, SizeIs(2));
    ExpectFramesMatchTimes(grey, 10, 2);
    // The matrix is BT.2020's, which has more blue here than BT.601's, by nine.
    spec.blue = 200;
    spec.red = 60;
    const Bytes film = MakeFilm(spec);
    const VideoClip clip = Read(film), again = Read(film);
    ASSERT_THAT(clip.frames, SizeIs(2));
    for (size_t i = 0; i < 2; ++i) {
      const Image& image = clip.frames[i].image;
      const double luma = GreyOf(static_cast<int>(i) * 10);
      EXPECT_NEAR(image.rgb[0], std::max(0.0, luma + 1.6787 * (60 - 128)), 3);
      EXPECT_NEAR(image.rgb[1], luma - 0.1873 * (200 - 128) - 0.6504 * (60 - 128), 3);
      EXPECT_NEAR(image.rgb[2], luma + 2.1418 * (200 - 128), 3);
      EXPECT_EQ(image.rgb, again.frames[i].image.rgb);
    }
  }
}

TEST(Film, hostile_V04_CutAndFlippedFilmsAreRefusedOrRead) {
  for (const FilmSpec& spec :
       {FilmSpec{.format = "matroska", .video_codec = "libx264", .frames = 20, .sound_s = 2},
        FilmSpec{.format = "mp4", .frames = 20, .sound_s = 2},
        FilmSpec{.format = "mpegts", .video_codec = "libx264", .frames = 20, .sound_s = 2}}) {
    const Bytes film = MakeFilm(spec);
    for (size_t i = 1; i < 15; ++i) {
      const Bytes cut(film.begin(), film.begin() + static_cast<ptrdiff_t>(film.size() * i / 15));
      Bytes flipped = film;
      for (size_t at = i * 31; at < flipped.size(); at += 997) flipped[at] ^= 0x41;
      for (const Bytes& bytes : {cut, flipped}) {
        VideoClip clip;
        const std::string message = MessageOf([&] { clip = Read(bytes); });
        EXPECT_TRUE(!message.empty() || !clip.frames.empty());
        EXPECT_EQ(message.find("forbidden"), message.npos) << spec.format << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace gemma3n
