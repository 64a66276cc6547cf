// SPDX-License-Identifier: Apache-2.0
// Sounds read in this process, and section 8 of the hostile inputs as far as it concerns files.
// Equality with librosa over many generated files is in tests/peers/test_media.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "media/mono_converter.h"
#include "media/resample.h"
#include "media/test_files.h"

namespace gemma3n {
namespace {

using namespace test_files;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

AudioClip Read(const Bytes& bytes, const MediaOptions& options = {}) {
  return ParseAudio(bytes, "x.wav", options);
}

std::string Refusal(const Bytes& bytes, const MediaOptions& options = {}) {
  return MessageOf([&] { Read(bytes, options); });
}

template <class Number>
Bytes Raw(const std::vector<Number>& values) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(values.data());
  return {bytes, bytes + values.size() * sizeof(Number)};
}

TEST(SoundFile, WholeNumbersScaleToOne) {
  const AudioClip clip = Read(Wav16({0, 16384, -32768, 32767}, 16000));
  EXPECT_EQ(clip.sample_rate_hz, 16000);
  EXPECT_THAT(clip.samples, ElementsAre(0.0f, 0.5f, -1.0f, 32767.0f / 32768.0f));
}

TEST(SoundFile, ChannelsAreAveraged) {
  EXPECT_THAT(Read(Wav16({16384, 0, -32768, 32767 - 1}, 16000, 2)).samples,
              ElementsAre(0.25f, -1.0f / 32768.0f));
}

// A FLAC file in memory, by libsndfile.
Bytes Flac(const std::vector<float>& samples, int rate_hz) {
  const std::string path = ::testing::TempDir() + "/sound_file_test.flac";
  SF_INFO info = {};
  info.samplerate = rate_hz;
  info.channels = 1;
  info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  FILE* back = std::fopen(path.c_str(), "rb");
  Bytes bytes(1 << 20);
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), back));
  std::fclose(back);
  return bytes;
}

std::vector<float> Tone(int count, double per_sample) {
  std::vector<float> samples(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i)
    samples[static_cast<size_t>(i)] = static_cast<float>(0.5 * std::sin(per_sample * i));
  return samples;
}

TEST(SoundFile, FlacIsExact) {
  EXPECT_THAT(Read(Flac({0.5f, -0.25f, 0.125f}, 16000)).samples, ElementsAre(0.5f, -0.25f, 0.125f));
}

TEST(Resample, PiecesOfAnySizeGiveTheSameBits) {
  const std::vector<float> tone = Tone(50000, 0.07);
  for (const int rate : {8000, 22050, 44100, 48000}) {
    std::vector<std::vector<float>> results;
    for (const size_t piece : {size_t{1}, size_t{777}, size_t{16384}, tone.size()}) {
      Resampler resampler(rate);
      std::vector<float> out;
      const size_t count = piece == 1 ? 3000 : tone.size();
      for (size_t at = 0; at < count; at += piece)
        resampler.Push(std::span(tone).subspan(at, std::min(piece, count - at)), out);
      resampler.Finish(out);
      EXPECT_EQ(out.size(), static_cast<size_t>(std::ceil(count * 16000.0 / rate)));
      if (piece != 1) results.push_back(out);
    }
    EXPECT_EQ(results[0], results[1]) << rate;
    EXPECT_EQ(results[0], results[2]) << rate;
  }
}

TEST(Resample, AToneStaysAToneAndWhatCannotBeHeardGoes) {
  // 1 kHz at 48 kHz -> 1 kHz at 16 kHz.
  const AudioClip kept = ResampleTo16kHz({Tone(48000, 2 * M_PI * 1000 / 48000), 48000});
  ASSERT_EQ(kept.samples.size(), 16000u);
  for (size_t i = 1000; i < 15000; ++i) {
    EXPECT_NEAR(kept.samples[i], 0.5 * std::sin(2 * M_PI * 1000 / 16000 * static_cast<double>(i)),
                1e-5);
  }
  const AudioClip gone = ResampleTo16kHz({Tone(48000, 2 * M_PI * 12000 / 48000), 48000});
  for (size_t i = 1000; i < 15000; ++i) EXPECT_NEAR(gone.samples[i], 0, 1e-5);
}

TEST(SoundFile, hostile_U01_SizesThatLie) {
  const Bytes format = WavFormat(1, 1, 16000, 16);
  const Bytes data = {0, 64, 0, 192};
  const auto with_size = [&](uint64_t size) {
    return WavFile({format, FromText("data"), LittleEndian(size, 4), data});
  };
  EXPECT_THAT(Read(with_size(4)).samples, ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(Read(with_size(0xffffffff)).samples, ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(Read(with_size(1000)).samples, ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(Read(with_size(3)).samples, ElementsAre(0.5f));
  Bytes riff_lies = with_size(4);
  std::fill_n(riff_lies.begin() + 4, 4, 0xff);
  EXPECT_THAT(Read(riff_lies).samples, ElementsAre(0.5f, -0.5f));
}

TEST(SoundFile, hostile_U01_ChunksOutOfOrder) {
  const Bytes format = WavFormat(1, 1, 16000, 16);
  const Bytes data = WavChunk("data", {0, 64});
  EXPECT_THAT(Read(WavFile({WavChunk("odd ", {1, 2, 3}), format, data})).samples,
              ElementsAre(0.5f));
  EXPECT_THAT(Refusal(WavFile({data, format})), HasSubstr("samples before their format"));
  EXPECT_THAT(Refusal(WavFile({format, format, data})), HasSubstr("two format chunks"));
  EXPECT_THAT(Refusal(WavFile({format})), HasSubstr("no data chunk"));
  EXPECT_THAT(Refusal(WavFile({})), HasSubstr("no format chunk"));
  EXPECT_NE(Refusal(FromText("RIFF\4")), "");
  // Lists inside lists are not walked into.
  Bytes nested = WavChunk("LIST", {});
  for (int i = 0; i < 10000; ++i)
    nested = Join({FromText("LIST"), LittleEndian(i * 8u, 4), nested});
  EXPECT_NE(Refusal(WavFile({nested})), "");
  // libsndfile looks at the first 100 KB for the samples; beyond that it, as soundfile, gives up.
  for (const size_t count : {size_t{1000}, size_t{20000}}) {
    std::vector<Bytes> many(count, WavChunk("LIST", FromText("INFO")));
    many.push_back(format);
    many.push_back(data);
    AudioClip clip;
    const std::string message = MessageOf([&] { clip = Read(WavFile(many)); });
    EXPECT_EQ(message.empty(), count == 1000) << message;
    if (message.empty()) {
      EXPECT_THAT(clip.samples, ElementsAre(0.5f));
    }
  }
}

TEST(SoundFile, hostile_U02_CodingsByName) {
  const auto file = [](uint16_t tag, uint16_t channels, uint32_t rate, uint16_t bits,
                       const Bytes& data) {
    return WavFile({WavFormat(tag, channels, rate, bits), WavChunk("data", data)});
  };
  const Bytes data(64);
  EXPECT_THAT(Refusal(file(1, 0, 16000, 16, data)), HasSubstr("1 to 8 sound channels, found 0"));
  EXPECT_THAT(Refusal(file(1, 65535, 16000, 16, data)), HasSubstr("found 65535"));
  EXPECT_THAT(Refusal(file(1, 1, 0, 16, data)), HasSubstr("4000 to 192000 Hz, found 0"));
  EXPECT_THAT(Refusal(file(1, 1, 4000000000u, 16, data)), HasSubstr("found 4000000000"));
  EXPECT_THAT(Refusal(file(1, 1, 16000, 0, data)), HasSubstr("format 0x0001 with 0 bits"));
  EXPECT_THAT(Refusal(file(2, 1, 16000, 4, data)), HasSubstr("format 0x0002 with 4 bits"));
  EXPECT_THAT(Refusal(file(0x55, 1, 16000, 0, data)), HasSubstr("format 0x0055"));
  EXPECT_THAT(Read(file(1, 1, 16000, 24, {0, 0, 64, 0, 0, 192})).samples, ElementsAre(0.5f, -0.5f));
  EXPECT_THAT(Read(file(1, 1, 16000, 8, {128, 192})).samples, ElementsAre(0.0f, 0.5f));
  EXPECT_THAT(Read(file(3, 1, 16000, 32, Raw<float>({0.25f, -2.0f}))).samples,
              ElementsAre(0.25f, -2.0f));
  EXPECT_THAT(Read(file(3, 1, 16000, 64, Raw<double>({0.25, -2.0}))).samples,
              ElementsAre(0.25f, -2.0f));
  EXPECT_EQ(Read(file(7, 1, 16000, 8, data)).samples.size(), 64u);
  EXPECT_EQ(Read(file(6, 1, 16000, 8, data)).samples.size(), 64u);
  // Extensible with an id that says nothing.
  const Bytes odd =
      WavChunk("fmt ", Join({LittleEndian(0xfffe, 2), LittleEndian(1, 2), LittleEndian(16000, 4),
                             LittleEndian(32000, 4), LittleEndian(2, 2), LittleEndian(16, 2),
                             LittleEndian(22, 2), Bytes(22, 0x77)}));
  EXPECT_THAT(Refusal(WavFile({odd, WavChunk("data", data)})), HasSubstr("extensible"));
}

TEST(SoundFile, hostile_U02_SamplesThatAreNoNumbers) {
  const float inf = std::numeric_limits<float>::infinity();
  const Bytes wav = WavFile({WavFormat(3, 1, 16000, 32),
                             WavChunk("data", Raw<float>({NAN, inf, -inf, 1e30f, -1e30f, 0.5f}))});
  EXPECT_THAT(Read(wav).samples,
              ElementsAre(0.0f, 0.0f, 0.0f, kLoudestSample, -kLoudestSample, 0.5f));
  const Bytes other_rate = WavFile(
      {WavFormat(3, 1, 44100, 32), WavChunk("data", Raw<float>(std::vector<float>(500, NAN)))});
  for (const float sample : Read(other_rate).samples) EXPECT_EQ(sample, 0.0f);
}

TEST(SoundFile, hostile_U03_ShortAndSilent) {
  EXPECT_THAT(Read(Wav16({0, 0, 0}, 16000)).samples, ElementsAre(0.0f, 0.0f, 0.0f));
  EXPECT_THAT(Read(Wav16({16384}, 16000)).samples, ElementsAre(0.5f));
  EXPECT_EQ(Read(Wav16({16384}, 48000)).samples.size(), 1u);
  EXPECT_EQ(Read(Wav16({16384}, 8000)).samples.size(), 2u);
  EXPECT_THAT(Refusal(Wav16({}, 16000)), HasSubstr("no samples"));
}

TEST(SoundFile, hostile_U04_FlacCutOrFlipped) {
  const Bytes flac = Flac(Tone(4000, 0.3), 16000);
  const AudioClip whole = Read(flac);
  for (size_t length = 4; length < flac.size(); length += 1 + flac.size() / 200) {
    const Bytes cut(flac.begin(), flac.begin() + static_cast<ptrdiff_t>(length));
    AudioClip clip;
    if (MessageOf([&] { clip = Read(cut); }).empty()) {
      EXPECT_EQ(clip.samples, whole.samples);
    }
  }
  for (size_t at = 4; at < flac.size(); at += 1 + flac.size() / 400) {
    Bytes broken = flac;
    broken[at] ^= 0x10;
    AudioClip first, second;
    const std::string message = MessageOf([&] { first = Read(broken); });
    EXPECT_EQ(MessageOf([&] { second = Read(broken); }), message);
    EXPECT_EQ(first.samples, second.samples);
  }
}

TEST(SoundFile, hostile_U05_TooLong) {
  MediaOptions options;
  options.limits.sound_seconds = 0.5;
  EXPECT_EQ(Read(Wav16(std::vector<int16_t>(8000), 16000), options).samples.size(), 8000u);
  EXPECT_THAT(Refusal(Wav16(std::vector<int16_t>(8001), 16000), options),
              HasSubstr("s or more, the limit is 1 s"));
  options.limits.sound_file_bytes = 10;
  EXPECT_THAT(Refusal(Wav16({1, 2, 3}, 16000), options), HasSubstr("bytes, the limit is 10"));
}

TEST(SoundFile, hostile_U06_OddRates) {
  for (const int rate : {4000, 44099, 192000}) {
    const size_t count = Read(Wav16(std::vector<int16_t>(1000), rate)).samples.size();
    EXPECT_EQ(count, static_cast<size_t>(std::ceil(1000 * (16000.0 / rate))));
  }
  EXPECT_THAT(Refusal(Wav16({1, 2, 3}, 3999)), HasSubstr("found 3999"));
  EXPECT_THAT(Refusal(Wav16({1, 2, 3}, 192001)), HasSubstr("found 192001"));
}

TEST(SoundFile, hostile_U07_ContentDecides) {
  EXPECT_THAT(ParseAudio(Flac({0.5f}, 16000), "named.wav").samples, ElementsAre(0.5f));
  EXPECT_THAT(Refusal(Join({FromText("\x89PNG\r\n\x1a\n"), Bytes(100)})), HasSubstr("found PNG"));
  EXPECT_THAT(Refusal(FromText("text")), HasSubstr("bytes of no known format"));
}

}  // namespace
}  // namespace gemma3n
