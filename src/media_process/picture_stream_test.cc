// SPDX-License-Identifier: Apache-2.0
// Films that play, and films through pipes: what comes when, what is passed over, and how streams
// end, by themselves or by force.
#include "gemma3n/picture_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gemma3n/error.h"
#include "media/test_files.h"
#include "media_process/film_maker.h"
#include "media_process/live.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Stream = std::unique_ptr<PictureStream>;

constexpr double kLong = 30;  // seconds; what waits for so long has failed

std::string TempPath(const std::string& name) {
  return ::testing::TempDir() + "/pictures_" + std::to_string(getpid()) + "_" + name;
}

std::string Written(const std::string& name, const Bytes& bytes) {
  const std::string path = TempPath(name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

// So many a second that all are made into pixels.
MediaOptions AllPictures() {
  MediaOptions options;
  options.limits.live_fps = 1000;
  return options;
}

std::vector<VideoFrame> ToTheEnd(PictureStream& stream) {
  std::vector<VideoFrame> frames;
  while (!stream.ended()) {
    auto frame = stream.Newest(kLong);
    if (frame) frames.push_back(std::move(*frame));
  }
  return frames;
}

double Elapsed(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

// That it is the frame of the film that its time says.
void ExpectFrameAtItsTime(const VideoFrame& frame, int fps) {
  const int i = static_cast<int>(std::lround(frame.time_s * fps));
  EXPECT_NEAR(frame.time_s, static_cast<double>(i) / fps, 0.002);
  EXPECT_NEAR(frame.image.rgb.at(0), GreyOf(i), 6) << frame.time_s;
}

void ExpectNoChildren() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

// A pipe and who writes into it.
class Feeder {
 public:
  Feeder() {
    signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0);
  }
  ~Feeder() {
    Join();
    CloseRead();
    Close();
  }
  int read_end() const { return ends_[0]; }
  void Write(Bytes bytes) {
    Join();
    thread_ = std::thread([this, bytes = std::move(bytes)] {
      for (size_t at = 0; at < bytes.size();) {
        const ssize_t wrote = write(ends_[1], bytes.data() + at, bytes.size() - at);
        if (wrote <= 0) return;
        at += static_cast<size_t>(wrote);
      }
    });
  }
  void WriteAndClose(Bytes bytes) {
    Write(std::move(bytes));
    Join();
    Close();
  }
  void CloseRead() {
    if (ends_[0] >= 0) close(std::exchange(ends_[0], -1));
  }

 private:
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  void Close() {
    if (ends_[1] >= 0) close(std::exchange(ends_[1], -1));
  }
  int ends_[2] = {-1, -1};
  std::thread thread_;
};

// ---- a film that plays ----

TEST(Play, ShowsEachPictureWhenItIsDue) {
  const std::string path = Written("play.mp4", MakeFilm({.frames = 15}));
  const auto start = steady_clock::now();
  const Stream stream = PictureStream::Play(path, 1, AllPictures());
  double last_s = -1;
  while (!stream->ended()) {
    const auto frame = stream->Newest(kLong);
    if (!frame) continue;
    EXPECT_GE(Elapsed(start), frame->time_s - 0.001);
    EXPECT_GT(frame->time_s, last_s);
    last_s = frame->time_s;
    ExpectFrameAtItsTime(*frame, 10);
  }
  EXPECT_NEAR(last_s, 1.4, 1e-6);
  EXPECT_EQ(stream->Newest(0), std::nullopt);
}

TEST(Play, KnowsWhenNothingNewCame) {
  const std::string path = Written("slow.mp4", MakeFilm({.fps = 1, .frames = 3}));
  const Stream stream = PictureStream::Play(path, 0.1, AllPictures());
  EXPECT_TRUE(stream->Newest(kLong).has_value());
  EXPECT_FALSE(stream->Newest(0.2).has_value());  // the next is due after 10 s
  EXPECT_FALSE(stream->ended());
}

TEST(Play, TheNewestCounts) {
  const std::string path = Written("newest.mp4", MakeFilm({.frames = 50}));
  const Stream stream = PictureStream::Play(path, 10, AllPictures());
  while (stream->overtaken() < 20) std::this_thread::sleep_for(milliseconds(5));
  const auto frame = stream->Newest(kLong);
  ASSERT_TRUE(frame);
  EXPECT_GE(frame->time_s, 2.0 - 1e-6);
  ExpectFrameAtItsTime(*frame, 10);
}

TEST(Play, MakesNoMorePixelsThanAskedFor) {
  const std::string path = Written("rate.mp4", MakeFilm({.frames = 31}));
  MediaOptions options;
  options.limits.live_fps = 10;
  const Stream stream = PictureStream::Play(path, 5, options);  // so two of a film's second
  std::vector<double> times;
  for (const VideoFrame& frame : ToTheEnd(*stream)) times.push_back(frame.time_s);
  for (size_t i = 1; i < times.size(); ++i) EXPECT_GE(times[i] - times[i - 1], 0.5 - 1e-6);
  EXPECT_NEAR(times.back(), 3.0, 1e-6);
  // Each was handed over, or counted.
  EXPECT_EQ(static_cast<int64_t>(times.size()) + stream->overtaken(), 31);
}

TEST(Play, APictureThatStaysIsSeen) {
  std::vector<JpegFrame> frames;  // the second one comes soon after the first, and stays
  for (const int64_t time : {0, 5, 200})
    frames.push_back({test_files::Jpeg(test_files::Picture(16, 16)), time});
  const std::string path = Written("stays.mkv", MakeJpegFilm("matroska", frames, 100));
  const Stream stream = PictureStream::Play(path, 1);
  std::vector<double> times;
  for (const VideoFrame& frame : ToTheEnd(*stream)) times.push_back(frame.time_s);
  EXPECT_THAT(times, ::testing::Contains(0.05));
  EXPECT_EQ(times.back(), 2);
}

TEST(Play, TurnsAndShrinksAsFilmsAre) {
  MediaOptions options = AllPictures();
  options.limits.video_frame_pixels = 1000;
  FilmSpec spec{.frames = 2};
  spec.display_matrix = {0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30};
  const Stream stream = PictureStream::Play(Written("turned.mp4", MakeFilm(spec)), 1, options);
  const auto frame = stream->Newest(kLong);
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->image.width, 27);  // of 64 x 48, shrunk and turned
  EXPECT_EQ(frame->image.height, 36);
}

TEST(Play, RefusesWhatIsNoFilmToSee) {
  const auto message = [](const std::string& path, double speed = 1) {
    return MessageOf([&] { PictureStream::Play(path, speed); });
  };
  const std::string sound = Written("sound.mp4", MakeFilm({.video_codec = ""}));
  EXPECT_EQ(message(sound), sound + ": the file has no video track");
  const std::string text = Written("text.mp4", Bytes(5000, 'x'));
  EXPECT_THAT(message(text), HasSubstr("unsupported film format"));
  EXPECT_THAT(message(Written("empty.mp4", {})), HasSubstr("empty"));
  EXPECT_THAT(message("/nowhere/film.mp4"), StartsWith("/nowhere/film.mp4: "));
  const std::string film = Written("film.mp4", MakeFilm({.frames = 5}));
  for (const double speed : {0.0, -1.0, 1e9, std::nan("")})
    EXPECT_THAT(message(film, speed), HasSubstr("speed: expected more than 0"));
  ExpectNoChildren();
}

TEST(Play, hostile_V10_FileThatIsCutWhileItPlays) {
  // Long enough that its end has not been read when its start is seen.
  const Bytes film = MakeFilm({.video_codec = "mjpeg",
                               .audio_codec = "",
                               .width = 640,
                               .height = 480,
                               .frames = 200,
                               .muxer_options = "movflags=faststart"});
  const std::string path = Written("cut.mov", film);
  const Stream stream = PictureStream::Play(path, 5, AllPictures());
  EXPECT_TRUE(stream->Newest(kLong).has_value());
  std::filesystem::resize_file(path, film.size() / 2);
  const std::string message = MessageOf([&] { ToTheEnd(*stream); });
  EXPECT_EQ(message, path + ": cannot read the file: its container is damaged or cut short");
  EXPECT_EQ(MessageOf([&] { stream->Newest(0); }), message);
  EXPECT_FALSE(stream->ended());
}

TEST(Play, EndsAtOnceWhenItIsDropped) {
  const std::string path = Written("dropped.mp4", MakeFilm({.fps = 1, .frames = 50}));
  Stream stream = PictureStream::Play(path, 0.01);
  EXPECT_TRUE(stream->Newest(kLong).has_value());
  stream.reset();
  ExpectNoChildren();
}

// ---- pipes ----

struct PipeFormat {
  const char* muxer;
  const char* codec;
};

TEST(PipePictures, ComeInTheFormatsThatCanBeReadAsTheyCome) {
  for (const auto& [muxer, codec] : {PipeFormat{"mpegts", "mpeg2video"},
                                     {"matroska", "mpeg4"},
                                     {"webm", "libvpx"},
                                     {"mjpeg", "mjpeg"},
                                     {"mpjpeg", "mjpeg"}}) {
    if (!HaveEncoder(codec)) continue;
    Feeder feeder;
    feeder.Write({});
    const Stream stream = PictureStream::OpenDescriptor(feeder.read_end(), "pipe", AllPictures());
    feeder.WriteAndClose(
        MakeFilm({.format = muxer, .video_codec = codec, .audio_codec = "", .frames = 12}));
    const std::vector<VideoFrame> frames = ToTheEnd(*stream);
    ASSERT_THAT(frames, testing::Not(IsEmpty())) << muxer;
    EXPECT_EQ(static_cast<int64_t>(frames.size()) + stream->overtaken(), 12) << muxer;
    // Motion JPEG is of wide range and has no time stamps.
    const bool jpeg = codec == std::string("mjpeg");
    EXPECT_NEAR(frames.back().image.rgb.at(0), jpeg ? LumaOf(11) : GreyOf(11), 3) << muxer;
    if (!jpeg) {
      EXPECT_NEAR(frames.back().time_s, 1.1, 0.002) << muxer;
    }
  }
}

TEST(PipePictures, APictureIsSeenThoughNoOtherFollows) {
  Feeder feeder;
  MediaOptions options;
  options.limits.live_fps = 2;
  const Stream stream = PictureStream::OpenDescriptor(feeder.read_end(), "pipe", options);
  feeder.Write(MakeFilm({.format = "mjpeg", .video_codec = "mjpeg", .audio_codec = ""}));
  // The pipe stays open and silent. A parser knows a picture's end by the next one's start.
  double last = 0;
  for (bool seen = false; !seen;) {
    const auto frame = stream->Newest(kLong);
    ASSERT_TRUE(frame);
    last = frame->image.rgb.at(0);
    seen = std::abs(last - LumaOf(48)) < 2;
  }
  EXPECT_FALSE(stream->ended());
  EXPECT_GT(stream->overtaken(), 30);
}

TEST(PipePictures, hostile_V10_PipeThatIsCutInMidFrameEnds) {
  const Bytes whole = MakeFilm({.format = "matroska",
                                .video_codec = "mpeg4",
                                .audio_codec = "",
                                .width = 320,
                                .height = 240,
                                .frames = 10});
  Feeder feeder;
  const Stream stream = PictureStream::OpenDescriptor(feeder.read_end(), "pipe", AllPictures());
  feeder.WriteAndClose(
      Bytes(whole.begin(), whole.begin() + static_cast<long>(whole.size() * 6 / 10)));
  const std::vector<VideoFrame> frames = ToTheEnd(*stream);
  ASSERT_THAT(frames, testing::Not(IsEmpty()));
  ExpectFrameAtItsTime(frames.back(), 10);
  EXPECT_LT(frames.back().time_s, 0.7);
}

TEST(PipePictures, hostile_V10_WhatCannotBeReadAsItComes) {
  const auto message = [](const Bytes& bytes) {
    Feeder feeder;
    const Stream stream = PictureStream::OpenDescriptor(feeder.read_end(), "pipe");
    feeder.CloseRead();  // the decoder may end before it has read all
    feeder.WriteAndClose(bytes);
    return MessageOf([&] { ToTheEnd(*stream); });
  };
  EXPECT_EQ(message({}), "pipe: expected a film, found no byte");
  EXPECT_THAT(message(MakeFilm({.frames = 5})), StartsWith("pipe: cannot be read as it comes"));
  EXPECT_THAT(message(Bytes(3000, 7)), StartsWith("pipe: cannot be read as it comes"));
  EXPECT_THAT(message(Bytes(30000, 'G')), StartsWith("pipe: "));  // like a transport stream
  EXPECT_THAT(message({0x1a, 0x45, 0xdf, 0xa3}), StartsWith("pipe: cannot read the file"));
  EXPECT_EQ(message(MakeFilm({.format = "mpegts", .video_codec = "", .frames = 0})),
            "pipe: the file has no video track");
  ExpectNoChildren();
}

TEST(PipePictures, RefusesDirectoriesAndClosedDescriptors) {
  const int directory = open("/", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(MessageOf([&] { PictureStream::OpenDescriptor(directory, "in"); }),
            "in: expected a film, found a directory");
  close(directory);
  EXPECT_THAT(MessageOf([&] { PictureStream::OpenDescriptor(directory, "in"); }),
              StartsWith("in: "));
}

TEST(PipePictures, AFileAtItsStartPlays) {
  const std::string path = Written("stdin.mp4", MakeFilm({.frames = 4}));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const Stream stream = PictureStream::OpenDescriptor(fd, "in", AllPictures());
  close(fd);  // was the caller's
  const std::vector<VideoFrame> frames = ToTheEnd(*stream);
  ASSERT_THAT(frames, testing::Not(IsEmpty()));
  EXPECT_NEAR(frames.back().time_s, 0.3, 1e-6);
}

TEST(PipePictures, EndAtOnceWhenTheyAreDroppedWhileThePipeIsSilent) {
  Feeder feeder;
  Stream stream = PictureStream::OpenDescriptor(feeder.read_end(), "pipe");
  EXPECT_FALSE(stream->Newest(0.05).has_value());
  stream.reset();
  ExpectNoChildren();
}

// ---- processes that die or lie ----

// A program in the place of gemma3n-media that hands over one picture of 1 x 1, and then does as
// `script` says.
MediaOptions WithProgram(const std::string& script) {
  const std::string path = TempPath("program");
  std::filesystem::remove(path);
  std::ofstream(path) << "#!/bin/sh\nframe() { printf "
                      << R"('\002\0\0\0\033\0\0\0\0\0\0\0\0\0'$1'\100)"
                      << R"(\001\0\0\0\001\0\0\0\001\0\0\0\0\0\0\0abc'; })"
                      << "\nprintf '\\001\\0\\0\\0\\020\\0\\0\\0'; head -c 16 /dev/zero\n"
                      << "frame '\\000'\n"
                      << script << "\n";
  chmod(path.c_str(), 0755);
  MediaOptions options;
  options.decoder_program = path;
  return options;
}

TEST(PictureProcess, hostile_V07_ItsDeathEndsItsStreamAlone) {
  const std::string path = Written("healthy.mp4", MakeFilm({.frames = 10}));
  const Stream healthy = PictureStream::Play(path, 1, AllPictures());
  for (const auto& [script, text] : std::vector<std::pair<std::string, std::string>>{
           {"kill -KILL $$", "its decoder ended without a word"},
           {"kill -SEGV $$", "its decoder ended without a word"},
           {"kill -SYS $$", "its decoder tried something forbidden and was stopped"},
           {"frame '\\000'", "its decoder gave a wrong answer"},  // the same time again
           {"head -c 100000 /dev/zero", "its decoder gave a wrong answer"}}) {
    const Stream stream = PictureStream::Play(path, 1000, WithProgram(script));
    // The picture that came stands, and is handed over before the error.
    const auto frame = stream->Newest(kLong);
    ASSERT_TRUE(frame) << script;
    EXPECT_EQ(frame->image.rgb, (std::vector<uint8_t>{'a', 'b', 'c'}));
    EXPECT_THAT(MessageOf([&] { stream->Newest(kLong); }), HasSubstr(text)) << script;
    EXPECT_FALSE(stream->ended());
  }
  EXPECT_THAT(ToTheEnd(*healthy), testing::Not(IsEmpty()));
}

TEST(PictureProcess, hostile_V07_ItMayNotTakeAllTheProcessorForOnePicture) {
  const std::string path = Written("spinning.mp4", MakeFilm({.frames = 2}));
  MediaOptions spinning = WithProgram("while :; do :; done");
  spinning.limits.decoder_cpu_seconds = 1;
  const Stream stream = PictureStream::Play(path, 1000, spinning);
  EXPECT_TRUE(stream->Newest(kLong).has_value());
  EXPECT_THAT(MessageOf([&] { stream->Newest(kLong); }), HasSubstr("took too long"));
}

// A failure record of this reason with no detail.
std::string Failure(int reason) {
  char text[8];
  std::snprintf(text, sizeof text, "%03o", reason);
  return "printf '\\005\\0\\0\\0\\100\\0\\0\\0\\" + std::string(text) +
         "\\0\\0\\0'; head -c 60 /dev/zero";
}

TEST(PictureProcess, hostile_F08_DeviceThatGoesAway) {
  for (const auto& [script, text] : std::vector<std::pair<std::string, std::string>>{
           {Failure(18), "gives no pictures any more: the device is gone"},
           {"kill -SEGV $$", "gives no pictures any more: its reader ended"},
           {"kill -SYS $$", "its reader tried something forbidden and was stopped"}}) {
    const Stream stream = PictureStream::OpenCamera("/dev/video7", {}, WithProgram(script));
    EXPECT_TRUE(stream->Newest(kLong).has_value());
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(MessageOf([&] { stream->Newest(kLong); }), "camera /dev/video7: " + text);
  }
}

TEST(PictureProcess, ItsLibraryOfDevicesIsSaidToBeMissing) {
  const Stream stream = PictureStream::OpenScreen(":0", WithProgram(Failure(11)));
  EXPECT_TRUE(stream->Newest(kLong).has_value());
  try {
    stream->Newest(kLong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
    EXPECT_THAT(error.what(), HasSubstr("cameras and screens need the library"));
  }
}

TEST(PictureProcess, IsSaidToBeMissing) {
  const std::string path = Written("missing.mp4", MakeFilm({.frames = 2}));
  MediaOptions missing;
  missing.decoder_program = "/nowhere/gemma3n-media";
  try {
    PictureStream::Play(path, 1, missing);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
  }
}

// ---- times ----

TEST(LiveClock, GoesOnWhateverStampsSay) {
  LiveClock clock;
  EXPECT_EQ(clock.Next(100), 0);
  EXPECT_NEAR(clock.Next(100.5), 0.5, 1e-6);
  EXPECT_NEAR(clock.Next(100.5), 0.54, 1e-6);  // no later than the last
  EXPECT_NEAR(clock.Next(100.6), 0.64, 1e-6);
  EXPECT_NEAR(clock.Next(3), 0.68, 1e-6);  // the sender starts anew
  EXPECT_NEAR(clock.Next(4), 1.68, 1e-6);
  EXPECT_NEAR(clock.Next(1e9), 1.72, 1e-6);  // a leap
  EXPECT_NEAR(clock.Next(1e9 + 1), 2.72, 1e-6);
  EXPECT_NEAR(clock.Next(std::nan("")), 2.76, 1e-6);
  EXPECT_NEAR(clock.Next(1e9 + 2), 3.72, 1e-6);
}

}  // namespace
}  // namespace gemma3n
