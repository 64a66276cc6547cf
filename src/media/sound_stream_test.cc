// SPDX-License-Identifier: Apache-2.0
// SoundStream over WAV, FLAC and samples without a header, from files and pipes. What gemma3n-media
// decodes is in media_process/sound_stream_test.cc.
#include "gemma3n/sound_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "gemma3n/error.h"
#include "media/input_file.h"
#include "media/mono_converter.h"
#include "media/test_files.h"
#include "media/wav_header.h"

namespace gemma3n {
namespace {

using namespace test_files;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using Stream = std::unique_ptr<SoundStream>;

std::string WriteFile(const Bytes& bytes, const std::string& name = "sound") {
  const std::string path =
      ::testing::TempDir() + "/sound_stream_test_" + std::to_string(getpid()) + "_" + name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::vector<float> ReadAll(SoundStream& stream, size_t piece) {
  std::vector<float> all, some(piece);
  while (const size_t got = stream.Read(some))
    all.insert(all.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(got));
  return all;
}

std::vector<float> ReadAll(Stream stream, size_t piece = 1000) {
  return ReadAll(*stream, piece);
}

// A file by libsndfile: two tones that differ by channel.
std::string SndFile(int format, int rate_hz, int channels, int frames) {
  const std::string path = WriteFile({});
  SF_INFO info = {};
  info.samplerate = rate_hz;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  EXPECT_NE(file, nullptr) << sf_strerror(nullptr);
  std::vector<float> samples;
  for (int i = 0; i < frames * channels; ++i)
    samples.push_back(static_cast<float>(0.9 * std::sin(0.01 * i * (1 + i % channels))));
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  return path;
}

// What libsndfile reads in it.
std::vector<float> ByLibsndfile(const std::string& path) {
  SF_INFO info = {};
  SNDFILE* file = sf_open(path.c_str(), SFM_READ, &info);
  std::vector<float> samples(static_cast<size_t>(info.frames * info.channels)), out;
  EXPECT_EQ(sf_readf_float(file, samples.data(), info.frames), info.frames);
  sf_close(file);
  MonoConverter converter("test", {}, 1000);
  converter.Push(samples, info.channels, info.samplerate, out);
  converter.Finish(out);
  return out;
}

TEST(WavFile, EveryCodingIsWhatLibsndfileReads) {
  const std::vector<int> containers = {SF_FORMAT_WAV, SF_FORMAT_WAVEX, SF_FORMAT_RF64,
                                       int{SF_FORMAT_WAV} | int{SF_ENDIAN_BIG}};
  for (const int container : containers) {
    for (const int coding : {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32,
                             SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE, SF_FORMAT_ULAW, SF_FORMAT_ALAW}) {
      for (const int channels : {1, 3, 8}) {
        const std::string path = SndFile(container | coding, 16000, channels, 2000);
        EXPECT_EQ(LoadAudio(path).samples, ByLibsndfile(path))
            << std::hex << (container | coding) << " channels " << channels;
      }
    }
  }
}

TEST(WavFile, EveryCodeOfTheTelephone) {
  Bytes codes;
  for (int i = 0; i < 256; ++i) codes.push_back(static_cast<uint8_t>(i));
  for (const uint16_t tag : {uint16_t{6}, uint16_t{7}}) {
    const std::string path =
        WriteFile(WavFile({WavFormat(tag, 1, 16000, 8), WavChunk("data", codes)}));
    EXPECT_EQ(LoadAudio(path).samples, ByLibsndfile(path)) << tag;
  }
}

TEST(SoundStream, SamplesAreThoseOfLoadAudioHoweverTheyAreAskedFor) {
  for (const int format : {static_cast<int>(SF_FORMAT_WAV) | SF_FORMAT_PCM_16,
                           static_cast<int>(SF_FORMAT_WAV) | SF_FORMAT_FLOAT,
                           static_cast<int>(SF_FORMAT_FLAC) | SF_FORMAT_PCM_16}) {
    for (const int rate : {8000, 11025, 16000, 44100, 48000, 192000}) {
      const int channels = rate == 48000 ? 8 : rate == 44100 ? 2 : 1;
      const std::string path = SndFile(format, rate, channels, 50000);
      const std::vector<float> whole = LoadAudio(path).samples;
      for (const size_t piece : {1, 7, 1000, 1 << 20}) {
        const Stream stream = SoundStream::Open(path);
        EXPECT_DOUBLE_EQ(stream->duration_s(), 50000.0 / rate);
        EXPECT_EQ(stream->start_s(), 0);
        EXPECT_EQ(ReadAll(*stream, piece), whole) << format << " " << rate << " " << piece;
        float after = 0;
        EXPECT_EQ(stream->Read({&after, 1}), 0u);  // the end stays the end
      }
    }
  }
}

// A pipe with someone who writes `bytes` into it, `piece` at a time, and closes it unless `keep`.
class Feed {
 public:
  explicit Feed(Bytes bytes, size_t piece = 1 << 20) {
    std::signal(SIGPIPE, SIG_IGN);  // who stops reading early is no fault
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_ = Descriptor(ends[0]);
    writer_ = std::thread([bytes = std::move(bytes), piece, fd = ends[1]] {
      for (size_t at = 0; at < bytes.size();) {
        const ssize_t wrote = write(fd, bytes.data() + at, std::min(piece, bytes.size() - at));
        if (wrote <= 0) break;
        at += static_cast<size_t>(wrote);
      }
      close(fd);
    });
  }
  ~Feed() {
    read_end_.Close();
    writer_.join();
  }
  int fd() const { return read_end_.get(); }

 private:
  Descriptor read_end_;
  std::thread writer_;
};

std::vector<float> ThroughPipe(const Bytes& bytes, size_t piece = 1 << 20,
                               const std::optional<RawSound>& raw = {},
                               const MediaOptions& options = {}) {
  const Feed feed(bytes, piece);
  return ReadAll(SoundStream::OpenDescriptor(feed.fd(), "-", raw, options));
}

std::string PipeRefusal(const Bytes& bytes, const MediaOptions& options = {}) {
  return MessageOf([&] { ThroughPipe(bytes, 1 << 20, {}, options); });
}

Bytes Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SoundStream, WavThroughAPipeInPiecesOfAnySize) {
  for (const int coding : {SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_DOUBLE}) {
    const std::string path = SndFile(SF_FORMAT_WAVEX | coding, 44100, 2, 3000);
    for (const size_t piece : {1, 13, 4096})
      EXPECT_EQ(ThroughPipe(Load(path), piece), LoadAudio(path).samples) << coding << " " << piece;
  }
}

// Sizes that programs write into a pipe: 0, all ones (ffmpeg), about 2 GiB (sox, arecord).
TEST(SoundStream, WavOfRecordersThatDoNotKnowItsSize) {
  const Bytes format = WavFormat(1, 1, 16000, 16), samples = {0, 64, 0, 192};
  for (const uint32_t size :
       {0u, 0xffffffffu, 0xffffff00u, 0x7ffff000u, 0x7fffff00u, 0x80000000u}) {
    const Bytes wav = Join({FromText("RIFF"), LittleEndian(size + 36, 4), FromText("WAVE"), format,
                            FromText("data"), LittleEndian(size, 4), samples});
    EXPECT_THAT(ThroughPipe(wav), ElementsAre(0.5f, -0.5f)) << size;
    EXPECT_THAT(ParseAudio(wav, "x").samples, ElementsAre(0.5f, -0.5f)) << size;
  }
  // A known size ends the samples: what follows is none, and nobody waits for it.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Bytes wav = WavFile({format, WavChunk("data", samples), WavChunk("LIST", samples)});
  ASSERT_EQ(write(ends[1], wav.data(), wav.size()), static_cast<ssize_t>(wav.size()));
  EXPECT_THAT(ReadAll(SoundStream::OpenDescriptor(ends[0], "-")), ElementsAre(0.5f, -0.5f));
  close(ends[0]);
  close(ends[1]);
  // A file that says that it holds nothing, and is right about its own size, holds nothing.
  const Bytes empty = WavFile({format, WavChunk("data", {}), WavChunk("LIST", samples)});
  EXPECT_THAT(MessageOf([&] { ParseAudio(empty, "x"); }), HasSubstr("no samples"));
}

TEST(SoundStream, WavPipeThatClosesEarlyEndsThere) {
  Bytes wav = Wav16({16384, -16384, 0, 1}, 16000);
  wav.resize(wav.size() - 3);
  EXPECT_THAT(ThroughPipe(wav), ElementsAre(0.5f, -0.5f));
}

TEST(SoundStream, ReadGivesWhatIsThere) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto send = [&](const Bytes& bytes) {
    ASSERT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  };
  send(Join({FromText("RIFF"), LittleEndian(~0u, 4), FromText("WAVE"), WavFormat(1, 1, 16000, 16),
             FromText("data"), LittleEndian(~0u, 4)}));
  const Stream stream = SoundStream::OpenDescriptor(ends[0], "-");
  EXPECT_EQ(stream->duration_s(), 0);
  std::vector<float> samples(16000);
  for (int i = 0; i < 3; ++i) {  // 20 ms, and half a sample more
    send(Bytes(i == 0 ? 641 : 640));
    EXPECT_EQ(stream->Read(samples), 320u);
  }
  close(ends[1]);
  EXPECT_EQ(stream->Read(samples), 0u);
  close(ends[0]);
}

// At other rates the resampler holds some back, but not much.
TEST(SoundStream, LittleIsHeldBackAtOtherRates) {
  for (const int rate : {8000, 44100, 48000}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const RawSound raw{rate, 1, RawSound::Format::kS16};
    const Stream stream = SoundStream::OpenDescriptor(ends[0], "-", raw);
    const Bytes sound(60000);
    ASSERT_EQ(write(ends[1], sound.data(), sound.size()), 60000);
    const double sent_s = 30000.0 / rate;
    std::vector<float> samples(100000);
    const size_t got = stream->Read(samples);
    EXPECT_GT(static_cast<double>(got) / 16000, sent_s - (rate == 8000 ? 0.12 : 0.05)) << rate;
    close(ends[0]);
    close(ends[1]);
  }
}

TEST(SoundStream, SamplesWithoutAHeader) {
  EXPECT_THAT(ThroughPipe({0, 64, 0, 192, 1}, 1, RawSound{}), ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(ThroughPipe({0, 64, 0, 192}, 3, RawSound{16000, 2, RawSound::Format::kS16}),
              ElementsAre(0.0f));
  EXPECT_THAT(
      ThroughPipe({0, 0, 0, 63, 0, 0, 0xc0, 0x7f}, 1, RawSound{16000, 1, RawSound::Format::kF32}),
      ElementsAre(0.5f, 0.0f));  // the second is no number
  EXPECT_EQ(ThroughPipe(Bytes(2 * 8000), 100, RawSound{8000, 1, RawSound::Format::kS16}).size(),
            16000u);
  for (const RawSound wrong :
       {RawSound{0}, RawSound{1000000}, RawSound{16000, 0}, RawSound{16000, 9}, RawSound{-1, -1}}) {
    EXPECT_THAT(MessageOf([&] { ThroughPipe({0, 0}, 2, wrong); }), HasSubstr("expected"));
  }
}

std::vector<float> Decoded(const Bytes& bytes, size_t piece, const RawSound& raw) {
  const std::unique_ptr<SoundDecoder> decoder = SoundDecoder::New(raw);
  std::vector<float> samples;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    decoder->Push(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)), samples);
  }
  decoder->Finish(samples);
  return samples;
}

TEST(SoundDecoder, GivesWhatAStreamGives) {
  Bytes bytes(9001);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * i / 7);
  for (const int rate : {8000, 16000, 24000, 48000}) {
    const RawSound raw{rate, 1, RawSound::Format::kS16};
    const std::vector<float> whole = ThroughPipe(bytes, 4096, raw);
    for (const size_t piece : {1u, 3u, 4096u}) EXPECT_EQ(Decoded(bytes, piece, raw), whole) << rate;
  }
}

TEST(SoundDecoder, ReadsTelephones) {
  const RawSound mu{16000, 1, RawSound::Format::kMuLaw}, a{16000, 1, RawSound::Format::kALaw};
  EXPECT_THAT(Decoded({0xff, 0x80, 0x00}, 2, mu),
              ElementsAre(0, 32124 / 32768.0f, -32124 / 32768.0f));
  EXPECT_THAT(Decoded({0xd5, 0xaa, 0x2a}, 2, a),
              ElementsAre(8 / 32768.0f, 32256 / 32768.0f, -32256 / 32768.0f));
  EXPECT_EQ(Decoded(Bytes(4000), 7, {8000, 1, RawSound::Format::kMuLaw}).size(), 8000u);
}

TEST(SoundDecoder, BeginsAnotherSoundBehindAnEnd) {
  const auto decoder = SoundDecoder::New({24000, 1, RawSound::Format::kS16});
  Bytes bytes(2001, 0x11);
  std::vector<float> first, second;
  decoder->Push(bytes, first);
  decoder->Finish(first);
  decoder->Push(bytes, second);  // the odd byte of the first is not its own
  decoder->Finish(second);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.size(), 667u);
  for (const RawSound& wrong : {RawSound{0}, RawSound{200000}, RawSound{16000, 9}}) {
    EXPECT_THROW(SoundDecoder::New(wrong), Error);
  }
}

TEST(SoundStream, FilesAsStandardInput) {
  const std::string path = SndFile(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 22050, 1, 3000);
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const Stream stream = SoundStream::OpenDescriptor(file.get(), "-");
  EXPECT_NEAR(stream->duration_s(), 3000.0 / 22050, 1e-9);
  EXPECT_EQ(ReadAll(*stream, 100), LoadAudio(path).samples);
  // From where it stands, which is not its start.
  lseek(file.get(), 44, SEEK_SET);
  EXPECT_EQ(ReadAll(SoundStream::OpenDescriptor(file.get(), "-", RawSound{22050})),
            LoadAudio(path).samples);
  EXPECT_GE(fcntl(file.get(), F_GETFD), 0);  // still the caller's
}

TEST(SoundStream, FlacThroughAPipeIsKeptInAFile) {
  const std::string path = SndFile(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2, 20000);
  const Bytes flac = Load(path);
  EXPECT_EQ(ThroughPipe(flac, 999), LoadAudio(path).samples);
  EXPECT_THAT(PipeRefusal({flac.begin(), flac.begin() + static_cast<ptrdiff_t>(flac.size() / 2)}),
              HasSubstr("FLAC"));
  MediaOptions options;
  options.limits.sound_spool_bytes = flac.size() - 1;
  EXPECT_THAT(PipeRefusal(flac, options), HasSubstr("first kept in a temporary file"));
  setenv("TMPDIR", "/nonexistent", 1);
  try {
    ThroughPipe(flac);
    ADD_FAILURE() << "a directory that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
    EXPECT_THAT(error.what(), HasSubstr("cannot make a temporary file in /nonexistent"));
  }
  unsetenv("TMPDIR");
}

TEST(SoundStream, hostile_U01_WhatIsNoSound) {
  EXPECT_THAT(PipeRefusal({}), HasSubstr("found no byte"));
  EXPECT_THAT(PipeRefusal(FromText("text")), HasSubstr("bytes of no known format"));
  EXPECT_THAT(PipeRefusal(Join({FromText("\x89PNG\r\n\x1a\n"), Bytes(100)})),
              HasSubstr("found PNG"));
  EXPECT_THAT(PipeRefusal(FromText("RIFF0000WAVE")), HasSubstr("no format chunk"));
  EXPECT_THAT(PipeRefusal(Wav16({}, 16000)), HasSubstr("-: the sound has no samples"));
  const Bytes wav = Wav16({1, 2, 3}, 16000);
  for (size_t length = 1; length < 44; ++length)
    EXPECT_NE(PipeRefusal({wav.begin(), wav.begin() + static_cast<ptrdiff_t>(length)}), "")
        << length;
  // A chunk of 4 GiB, of which little is there; chunks without end.
  EXPECT_THAT(PipeRefusal(WavFile({FromText("LIST"), LittleEndian(~0u, 4), Bytes(5000)})),
              HasSubstr("no format chunk"));
  EXPECT_THAT(PipeRefusal(WavFile(std::vector<Bytes>(10001, WavChunk("LIST", {})))),
              HasSubstr("more than 10000 chunks"));
  EXPECT_THAT(PipeRefusal(WavFile({Bytes(64)})), HasSubstr("a chunk without a name"));
  const Bytes in_four =
      WavChunk("fmt ", Join({LittleEndian(1, 2), LittleEndian(1, 2), LittleEndian(16000, 4),
                             LittleEndian(64000, 4), LittleEndian(4, 2), LittleEndian(24, 2)}));
  EXPECT_THAT(PipeRefusal(WavFile({in_four, WavChunk("data", Bytes(8))})),
              HasSubstr("24 bits in 4 bytes"));
  const Descriptor directory(open("/", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(MessageOf([&] { SoundStream::OpenDescriptor(directory.get(), "-"); }),
              HasSubstr("found a directory"));
  EXPECT_NE(MessageOf([&] { SoundStream::OpenDescriptor(-1, "-"); }), "");
  const Descriptor terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (terminal.get() >= 0) {
    EXPECT_THAT(MessageOf([&] { SoundStream::OpenDescriptor(terminal.get(), "-"); }),
                HasSubstr("found a terminal"));
  }
  EXPECT_THAT(MessageOf([&] { SoundStream::Open("/dev/null"); }), HasSubstr("regular file"));
}

TEST(SoundStream, hostile_U02_OddSamplesAreThoseOfLoadAudio) {
  std::vector<float> odd = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e-40f, 0.5f};
  odd.resize(4000, 0.75f);  // an even one: DC
  odd.resize(8000, 1.5f);   // clipped, if it were in whole numbers
  odd.resize(12000, -0.0f);
  Bytes data(odd.size() * 4);
  std::memcpy(data.data(), odd.data(), data.size());
  for (const uint32_t rate : {16000u, 44100u}) {
    const Bytes wav = WavFile({WavFormat(3, 1, rate, 32), WavChunk("data", data)});
    const std::vector<float> samples = ThroughPipe(wav, 1001);
    EXPECT_EQ(samples, ParseAudio(wav, "x").samples);
    for (const float sample : samples) ASSERT_TRUE(std::isfinite(sample));
  }
}

TEST(SoundStream, hostile_U05_LimitsEndItWithAnError) {
  MediaOptions options;
  options.limits.sound_seconds = 0.1;  // that of a clip holds for clips
  EXPECT_EQ(ThroughPipe(Wav16(std::vector<int16_t>(8000), 16000), 1 << 20, {}, options).size(),
            8000u);
  options.limits.sound_stream_seconds = 0.5;
  const Bytes fits = Wav16(std::vector<int16_t>(8000), 16000),
              more = Wav16(std::vector<int16_t>(8001), 16000);
  EXPECT_EQ(PipeRefusal(fits, options), "");
  EXPECT_THAT(PipeRefusal(more, options), HasSubstr("the limit is 1 s"));
  // Known before the first sample is read, of a file.
  const std::string path = WriteFile(more);
  EXPECT_THAT(MessageOf([&] { SoundStream::Open(path, options); }), HasSubstr("the limit is 1 s"));
  // Not known before: what fits comes, then the error, and the error again.
  const Feed feed(Bytes(3 * 16000), 1000);
  const Stream stream = SoundStream::OpenDescriptor(feed.fd(), "-", RawSound{}, options);
  const std::string message = MessageOf([&] { ReadAll(*stream, 100); });
  EXPECT_THAT(message, HasSubstr("the limit is 1 s"));
  EXPECT_EQ(MessageOf([&] { ReadAll(*stream, 100); }), message);
  options.limits.sound_stream_bytes = 100;
  EXPECT_THAT(PipeRefusal(fits, options), HasSubstr("more bytes came than the limit of 100"));
  EXPECT_THAT(MessageOf([&] { SoundStream::Open(path, options); }), HasSubstr("the limit is 100"));
}

TEST(SoundStream, FilesThatChangeWhileTheyAreRead) {
  std::vector<int16_t> samples(200000, 1000);
  for (const bool flac : {false, true}) {
    const auto make = [&] {
      return flac ? SndFile(SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 48000, 8, 100000)
                  : WriteFile(Wav16(samples, 16000));
    };
    std::string path = make();
    const std::vector<float> whole = LoadAudio(path).samples;
    std::vector<float> first(10);
    Stream stream = SoundStream::Open(path);
    EXPECT_EQ(stream->Read(first), 10u);
    ASSERT_EQ(truncate(path.c_str(), 100000), 0);
    EXPECT_THAT(MessageOf([&] { ReadAll(*stream, 1000); }),
                EndsWith("became shorter while it was read"));
    // One that grows is read as it was.
    path = make();
    stream = SoundStream::Open(path);
    std::ofstream(path, std::ios::binary | std::ios::app) << std::string(100000, 'x');
    EXPECT_EQ(ReadAll(*stream, 1000), whole);
  }
}

size_t ResidentBytes() {
  size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Two hours at 24 kHz are 346 MB; the file is a hole.
TEST(SoundStream, MemoryDoesNotGrowWithTheLength) {
  const uint64_t data = uint64_t{2 * 3600} * 24000 * 2;
  const std::string path =
      WriteFile(Join({FromText("RIFF"), LittleEndian(data + 36, 4), FromText("WAVE"),
                      WavFormat(1, 1, 24000, 16), FromText("data"), LittleEndian(data, 4)}));
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(44 + data)), 0);
  const Stream stream = SoundStream::Open(path);
  EXPECT_EQ(stream->duration_s(), 7200);
  std::vector<float> samples(16000);
  size_t count = stream->Read(samples);
  const size_t before = ResidentBytes();
  size_t most = before;
  while (const size_t got = stream->Read(samples)) {
    count += got;
    if (count % 64 == 0) most = std::max(most, ResidentBytes());
  }
  EXPECT_EQ(count, size_t{7200} * 16000);
  EXPECT_LT(most - before, size_t{32} << 20);  // sanitizers keep what was freed
  std::filesystem::remove(path);
}

// Files of more than 4 GiB: RF64, and one whose writer could not know.
TEST(SoundStream, WhatIsWaitedForCanBeGivenUp) {
  // Of a pipe whose writer stays: a header in part, compressed sound that is first kept.
  for (const std::string begin : {"", "RIF", "OggS\0\0", "RIFF\xff\xff\xff\x7fWAVEfmt "}) {
    int ends[2], stop[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(stop, O_CLOEXEC), 0);
    ASSERT_EQ(write(ends[1], begin.data(), begin.size()), static_cast<ssize_t>(begin.size()));
    std::string message;
    std::thread reader([&] {
      message = MessageOf([&] { SoundStream::OpenDescriptor(ends[0], "-", {}, {}, stop[0]); });
    });
    ASSERT_EQ(write(stop[1], "", 1), 1);
    reader.join();
    EXPECT_EQ(message, "-: nobody waits for more of it");
    for (int end : {ends[0], ends[1], stop[0], stop[1]}) close(end);
  }
}

TEST(SoundStream, SizesBeyond32Bits) {
  const uint64_t data = 5ull << 30;
  const Bytes format = WavFormat(1, 2, 48000, 16);
  const Bytes long_sizes = WavChunk("ds64", Join({LittleEndian(data + 72, 8), LittleEndian(data, 8),
                                                  LittleEndian(data / 4, 8), LittleEndian(0, 4)}));
  for (const bool rf64 : {true, false}) {
    const Bytes head =
        Join({FromText(rf64 ? "RF64" : "RIFF"), LittleEndian(~0u, 4), FromText("WAVE"),
              rf64 ? long_sizes : Bytes{}, format, FromText("data"), LittleEndian(~0u, 4)});
    const std::string path = WriteFile(head);
    // The second half byte of a frame at the end is none.
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(head.size() + data + (rf64 ? 100 : 2))), 0);
    EXPECT_EQ(SoundStream::Open(path)->duration_s(), static_cast<double>(data / 4) / 48000);
    std::filesystem::remove(path);
  }
}

}  // namespace
}  // namespace gemma3n
