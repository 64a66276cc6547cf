// SPDX-License-Identifier: Apache-2.0
// SoundStream over what FFmpeg reads, through the real gemma3n-media, and programs in its place
// that die in the middle.
#include "gemma3n/sound_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "media/test_files.h"
#include "media_process/film_maker.h"

namespace gemma3n {
namespace {

using namespace film_maker;
using std::chrono::steady_clock;
using test_files::FromText;
using test_files::Join;
using test_files::MessageOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Stream = std::unique_ptr<SoundStream>;

std::string WriteFile(const Bytes& bytes, size_t times = 1) {
  const std::string path = ::testing::TempDir() + "/sound_stream_" + std::to_string(getpid());
  std::ofstream file(path, std::ios::binary);
  for (size_t i = 0; i < times; ++i) {
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  return path;
}

std::vector<float> ReadAll(SoundStream& stream, size_t piece = 1000) {
  std::vector<float> all, some(piece);
  while (const size_t got = stream.Read(some))
    all.insert(all.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(got));
  return all;
}

// Descriptor 0 of a shell that writes the file into a pipe.
std::vector<float> ThroughPipe(const std::string& path) {
  FILE* pipe = popen(("cat " + path).c_str(), "re");
  const Stream stream = SoundStream::OpenDescriptor(fileno(pipe), "-");
  const std::vector<float> samples = ReadAll(*stream);
  pclose(pipe);
  return samples;
}

void ExpectNoChildren() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(SoundStream, SamplesAreThoseOfLoadAudio) {
  const std::vector<FilmSpec> specs = {
      {.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame"},
      {.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame", .sample_rate_hz = 8000},
      {.format = "ipod", .video_codec = "", .audio_codec = "aac", .sample_rate_hz = 96000},
      {.format = "adts", .video_codec = "", .audio_codec = "aac", .channels = 8},
      {.format = "ogg", .video_codec = "", .audio_codec = "libvorbis"},
      {.format = "ogg", .video_codec = "", .audio_codec = "libopus", .sample_rate_hz = 48000},
      {.format = "ogg", .video_codec = "", .audio_codec = "flac"},
      {.format = "matroska",
       .video_codec = "",
       .audio_codec = "flac",
       .sample_rate_hz = 192000,
       .channels = 8},
      {.format = "mp4"},
      {.format = "matroska", .audio_codec = "libopus", .sample_rate_hz = 48000},
      {.format = "mpegts"},
      {.format = "avi", .audio_codec = "pcm_s16le", .sample_rate_hz = 16000, .channels = 1},
  };
  for (const FilmSpec& spec : specs) {
    const std::string path = WriteFile(MakeFilm(spec));
    const std::vector<float> whole = LoadAudio(path).samples;
    EXPECT_GT(whole.size(), 4.9 * 16000);
    for (const size_t piece : {777, 1 << 20}) {
      const Stream stream = SoundStream::Open(path);
      EXPECT_EQ(ReadAll(*stream, piece), whole) << spec.format << " " << spec.audio_codec;
      EXPECT_NEAR(stream->duration_s(), 5, 0.7) << spec.format << " " << spec.audio_codec;
    }
    EXPECT_EQ(ThroughPipe(path), whole) << spec.format << " " << spec.audio_codec;
  }
  ExpectNoChildren();
}

TEST(SoundStream, FilmSaysWhenItsSoundBegins) {
  const auto start_s = [](const FilmSpec& spec) {
    const std::string path = WriteFile(MakeFilm(spec));
    const Stream stream = SoundStream::Open(path);
    EXPECT_EQ(ReadAll(*stream), LoadAudio(path).samples);  // nothing is put before it or cut off
    return stream->start_s();
  };
  for (const char* format : {"matroska", "mpegts"}) {
    EXPECT_NEAR(start_s({.format = format}), 0, 0.1) << format;
    EXPECT_NEAR(start_s({.format = format, .sound_start_s = 2}), 2, 0.1) << format;
  }
  EXPECT_EQ(start_s({.format = "matroska", .video_codec = "", .sound_start_s = 2}), 0);
}

TEST(SoundStream, RateAndChannelsMayChangeOnTheWay) {
  const auto part = [](int rate, int channels) {
    return MakeFilm({.format = "adts",
                     .video_codec = "",
                     .audio_codec = "aac",
                     .sample_rate_hz = rate,
                     .channels = channels,
                     .sound_s = 2});
  };
  const std::string path = WriteFile(Join({part(44100, 2), part(22050, 1), part(48000, 6)}));
  const std::vector<float> whole = LoadAudio(path).samples;
  EXPECT_GT(whole.size(), 5.8 * 16000);
  EXPECT_EQ(ReadAll(*SoundStream::Open(path), 100), whole);
}

TEST(SoundStream, hostile_V04_FilmWithoutSound) {
  const std::string path = WriteFile(MakeFilm({.audio_codec = ""}));
  EXPECT_THAT(MessageOf([&] { SoundStream::Open(path); }), HasSubstr("the file has no sound"));
  ExpectNoChildren();
}

TEST(SoundStream, hostile_U05_NothingIsCutInSilence) {
  MediaOptions options;
  options.limits.video_seconds = 1;  // those of films and clips are not its own
  options.limits.sound_seconds = 1;
  const std::string film = WriteFile(MakeFilm({.format = "mpegts"}));
  EXPECT_GT(ReadAll(*SoundStream::Open(film, options)).size(), 4.9 * 16000);
  options.limits.sound_stream_seconds = 3;
  const Stream stream = SoundStream::Open(film, options);
  std::vector<float> samples(1000);
  size_t count = 0;
  const std::string message = MessageOf([&] {
    while (const size_t got = stream->Read(samples)) count += got;
  });
  EXPECT_THAT(message, HasSubstr("the limit is 3 s"));
  EXPECT_GT(count, 2.9 * 16000);
  // Where the container says how long it is, before the first sample.
  const std::string sound =
      WriteFile(MakeFilm({.format = "ipod", .video_codec = "", .audio_codec = "aac"}));
  EXPECT_THAT(MessageOf([&] { SoundStream::Open(sound, options); }), HasSubstr("the limit is 3 s"));
}

TEST(SoundStream, hostile_U04_FileThatBecomesShorter) {
  const Bytes mp3 = MakeFilm({.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame"});
  const std::string path = WriteFile(mp3, 20);
  const Stream stream = SoundStream::Open(path);
  std::vector<float> samples(1000);
  EXPECT_GT(stream->Read(samples), 0u);
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(mp3.size() * 15)), 0);
  EXPECT_THAT(MessageOf([&] { ReadAll(*stream); }), HasSubstr("damaged or cut short"));
}

// A program that hands over a second of silence at 16 kHz, in two records, and then does `script`.
MediaOptions WithProgram(const std::string& script) {
  static int number = 0;
  const std::string path = ::testing::TempDir() + "/decoder_s_" + std::to_string(getpid()) + "_" +
                           std::to_string(number++);
  const std::string half =
      "printf '\\003\\0\\0\\0\\010\\175\\0\\0\\200\\076\\0\\0\\001\\0\\0\\0'; "
      "head -c 32000 /dev/zero";
  std::ofstream(path) << "#!/bin/sh\nprintf '\\001\\0\\0\\0\\020\\0\\0\\0'; head -c 16 /dev/zero\n"
                      << half << "\n"
                      << half << "\n"
                      << script << "\n";
  chmod(path.c_str(), 0755);
  MediaOptions options;
  options.decoder_program = path;
  return options;
}

TEST(SoundStream, hostile_V07_DecoderThatDiesInTheMiddle) {
  const std::string path = WriteFile(FromText("ID3"));
  const int64_t forbidden = ForbiddenDecoderCalls();
  for (const auto& [script, text] : std::vector<std::pair<std::string, std::string>>{
           {"kill -SEGV $$", "ended without an answer"},
           {"exit 0", "ended without an answer"},
           {"kill -SYS $$", "something forbidden"},
           {"head -c 100000 /dev/urandom", "wrong answer"}}) {
    const Stream stream = SoundStream::Open(path, WithProgram(script));
    std::vector<float> samples(16000);
    size_t count = 0;
    const auto read = [&] {
      while (const size_t got = stream->Read(samples)) count += got;
    };
    const std::string message = MessageOf(read);
    EXPECT_THAT(message, StartsWith(path + ": ")) << script;
    EXPECT_THAT(message, HasSubstr(text)) << script;
    EXPECT_EQ(count, 16000u) << script;  // what it had handed over
    EXPECT_EQ(MessageOf(read), message);
    ExpectNoChildren();  // though the stream is still there
  }
  EXPECT_EQ(ForbiddenDecoderCalls() - forbidden, 1);
  const Stream whole = SoundStream::Open(path, WithProgram("printf '\\004\\0\\0\\0\\0\\0\\0\\0'"));
  EXPECT_EQ(ReadAll(*whole).size(), 16000u);
}

TEST(SoundStream, EndsItsDecoderAtOnceWhenItIsDropped) {
  const std::string path =
      WriteFile(MakeFilm({.format = "mp3", .video_codec = "", .audio_codec = "libmp3lame"}), 100);
  const auto start = steady_clock::now();
  Stream stream = SoundStream::Open(path);  // its decoder waits to write
  stream.reset();
  stream = SoundStream::Open(path, WithProgram("exec sleep 1000"));
  float sample = 0;
  EXPECT_EQ(stream->Read({&sample, 1}), 1u);
  stream.reset();
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
  ExpectNoChildren();
}

// The largest resident memory, in bytes, that a process has had.
size_t PeakBytes(const std::string& process) {
  std::ifstream status("/proc/" + process + "/status");
  for (std::string word; status >> word;) {
    size_t kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes << 10;
  }
  return 0;
}

std::string OnlyChild() {
  std::string child;
  std::ifstream("/proc/self/task/" + std::to_string(getpid()) + "/children") >> child;
  return child;
}

TEST(SoundStream, MemoryOfTheDecoderDoesNotGrowWithTheLength) {
  const Bytes adts = MakeFilm({.format = "adts",
                               .video_codec = "",
                               .audio_codec = "aac",
                               .sample_rate_hz = 16000,
                               .channels = 1});
  size_t peaks[2];
  for (const int hours : {0, 2}) {
    const std::string path = WriteFile(adts, std::max(1, hours * 3600 / 5));
    const Stream stream = SoundStream::Open(path);
    std::vector<float> samples(16000);
    size_t count = 0, child_peak = 0;
    while (const size_t got = stream->Read(samples)) {
      count += got;
      if (const size_t now = PeakBytes(OnlyChild()); now > 0) child_peak = now;
    }
    EXPECT_GE(count, static_cast<size_t>(hours) * 3600 * 16000);
    EXPECT_GT(child_peak, 0u);
    peaks[hours / 2] = child_peak + PeakBytes("self");
    std::filesystem::remove(path);
  }
  EXPECT_LT(peaks[1], peaks[0] + (size_t{8} << 20));
}

}  // namespace
}  // namespace gemma3n
