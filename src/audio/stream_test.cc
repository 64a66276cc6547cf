// SPDX-License-Identifier: Apache-2.0
#include "audio/stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "tiny/random_audio.h"

namespace gemma3n {
namespace {

constexpr uint64_t kSeed = 5;
const MelConfig kMel;

std::vector<float> Values(const Tensor& tensor) {
  return {tensor.span().begin(), tensor.span().end()};
}

std::vector<float> Noise(int64_t samples) {
  RandomNumbers random(static_cast<uint64_t>(samples));
  std::vector<float> noise(static_cast<size_t>(samples));
  for (float& sample : noise) sample = 0.2f * random.Normal();
  return noise;
}

std::vector<float> InOnePiece(const RandomAudio& model, std::span<const float> samples,
                              ThreadPool& pool) {
  return Values(AudioStream(kMel, model.config(), model.weights()).Finish(samples, pool));
}

// Pieces as long as `size` says each time.
std::vector<float> InPieces(const RandomAudio& model, std::span<const float> samples,
                            int64_t least_tokens, const std::function<int64_t()>& size,
                            ThreadPool& pool) {
  AudioStream stream(kMel, model.config(), model.weights(), {.least_tokens = least_tokens});
  std::vector<float> all;
  const auto add = [&](const Tensor& tokens) {
    all.insert(all.end(), tokens.span().begin(), tokens.span().end());
    EXPECT_EQ(static_cast<int64_t>(all.size()), stream.tokens() * model.config().hidden_size);
  };
  while (!samples.empty()) {
    const auto piece = samples.first(std::min(samples.size(), static_cast<size_t>(size())));
    add(stream.Push(piece, pool));
    samples = samples.subspan(piece.size());
  }
  add(stream.Finish(pool));
  return all;
}

// Every kernel takes part: products of one row, of few and of many, in one piece and in others.
TEST(AudioStream, PiecesAreTheWholeClip) {
  ThreadPool one(1), three(3);
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kQ4Tiles, DType::kQ8Tiles}) {
    const RandomAudio model(TinyAudioConfig(), kSeed, dtype);
    for (int64_t size : {0, 1, 512, 513, 640, 1152, 1153, 1472, 1473, 4031, 4032, 7777, 60000}) {
      const std::vector<float> samples = Noise(size);
      const std::vector<float> whole = InOnePiece(model, samples, one);
      EXPECT_EQ(InOnePiece(model, samples, three), whole) << size;
      RandomNumbers random(kSeed);
      for (int64_t least_tokens : {1, 1, 2, 3, 7}) {
        const int64_t most = int64_t{1} << (6 + random.Next() % 9);
        const auto piece = [&] { return static_cast<int64_t>(random.Next() % most); };
        ThreadPool& pool = random.Next() % 2 ? one : three;
        EXPECT_EQ(InPieces(model, samples, least_tokens, piece, pool), whole)
            << DTypeName(dtype) << ", " << size << " samples in pieces of less than " << most
            << ", " << least_tokens << " tokens or more";
      }
    }
  }
}

TEST(AudioStream, SampleBySampleIsTheWholeClip) {
  ThreadPool pool(1);
  for (DType dtype : {DType::kF32, DType::kQ8Tiles}) {
    const RandomAudio model(TinyAudioConfig(), kSeed, dtype);
    const std::vector<float> samples = Noise(12000);
    EXPECT_EQ(InPieces(
                  model, samples, 1, [] { return 1; }, pool),
              InOnePiece(model, samples, pool));
  }
}

// Longer than what is computed at once, in one piece and in others.
TEST(AudioStream, HasNoEnd) {
  ThreadPool pool(3);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kQ8Tiles);
  const std::vector<float> samples = Noise(2 * 480000 + 77);
  const std::vector<float> whole = InOnePiece(model, samples, pool);
  EXPECT_EQ(static_cast<int64_t>(whole.size()), 375 * model.config().hidden_size);
  EXPECT_EQ(InPieces(
                model, samples, 1000, [] { return 50000; }, pool),
            whole);
  EXPECT_EQ(InPieces(
                model, samples, 6, [] { return 2560; }, pool),
            whole);
}

// Strides, windows and kernels that are not the released ones, down to their least.
TEST(AudioStream, OtherShapesAreTheWholeClipToo) {
  AudioConfig least = TinyAudioConfig();
  least.attention_window = 1;
  least.conv_kernel_size = 1;
  least.reduction_factor = 1;
  least.convolutions[0].kernel_time = 1;  // rows between those that are read
  least.convolutions[0].stride_time = 3;
  least.gradient_clipping = 0.5f;
  AudioConfig odd = TinyAudioConfig();
  odd.attention_window = 6;
  odd.conv_kernel_size = 9;
  odd.reduction_factor = 3;
  odd.convolutions[0].kernel_time = 5;
  odd.convolutions[0].stride_time = 1;
  odd.convolutions[1].stride_time = 5;
  AudioConfig blockless = TinyAudioConfig();
  blockless.num_hidden_layers = 0;
  ThreadPool pool(2);
  for (const AudioConfig& config : {least, odd, blockless}) {
    const RandomAudio model(config, kSeed, DType::kF32);
    for (int64_t size : {513, 3000, 20001}) {
      const std::vector<float> samples = Noise(size);
      const std::vector<float> whole = InOnePiece(model, samples, pool);
      int64_t frames = kMel.NumFrames(size);
      for (const auto& conv : config.convolutions) {
        frames = (frames + conv.stride_time - 1) / conv.stride_time;
      }
      EXPECT_EQ(static_cast<int64_t>(whole.size()), config.TokensOf(frames) * config.hidden_size);
      for (int64_t piece : {160, 999}) {
        EXPECT_EQ(InPieces(
                      model, samples, 1, [=] { return piece; }, pool),
                  whole);
      }
    }
  }
}

// Token k comes with sample 2560 k + 1471 and not before.
TEST(AudioStream, TokensComeAsSoonAsTheyAreKnown) {
  ThreadPool pool(1);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kF32);
  const std::vector<float> samples = Noise(10 * 2560);
  AudioStream stream(kMel, model.config(), model.weights());
  const std::span<const float> all(samples);
  EXPECT_EQ(stream.Push(all.first(1471), pool).shape(), Shape({0, 256}));
  for (int64_t token = 0; token < 8; ++token) {
    const int64_t last = 2560 * token + 1471;
    EXPECT_EQ(stream.tokens(), token);
    EXPECT_EQ(stream.Push(all.subspan(last, 1), pool).shape(), Shape({1, 256}));
    EXPECT_EQ(stream.Push(all.subspan(last + 1, 2559), pool).shape(), Shape({0, 256}));
  }
  EXPECT_EQ(stream.tokens(), 8);
}

// That sample is the last one that a token depends on: the stream could not give it earlier.
TEST(AudioStream, TokensNeedTheirLastSample) {
  ThreadPool pool(1);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kF32);
  const std::vector<float> samples = Noise(4 * 2560);
  const std::vector<float> whole = InOnePiece(model, samples, pool);
  for (int64_t token = 0; token < 4; ++token) {
    for (int64_t behind : {0, 1}) {
      std::vector<float> other = samples;
      other[2560 * token + 1471 + behind] += 1;
      const std::vector<float> found = InOnePiece(model, other, pool);
      EXPECT_EQ(std::equal(whole.begin() + token * 256, whole.begin() + (token + 1) * 256,
                           found.begin() + token * 256),
                behind == 1);
    }
  }
}

// Tokens wait for others where that is asked for, but not beyond the end.
// What the clip would be if it ended here does not touch the one that goes on.
TEST(AudioStream, CopiesGoOnByThemselves) {
  ThreadPool pool(3);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kQ8Tiles);
  const std::vector<float> samples = Noise(30000);
  AudioStream stream(kMel, model.config(), model.weights(), {.least_tokens = 3});
  std::vector<float> all;
  for (size_t begin = 0; begin < samples.size(); begin += 5000) {
    const auto piece = std::span(samples).subspan(begin, 5000);
    const std::vector<float> tokens = Values(stream.Push(piece, pool));
    all.insert(all.end(), tokens.begin(), tokens.end());
    std::vector<float> ended = all;
    AudioStream ending = stream;
    const std::vector<float> rest = Values(ending.Finish(pool));
    ended.insert(ended.end(), rest.begin(), rest.end());
    EXPECT_EQ(ended, InOnePiece(model, std::span(samples).first(begin + 5000), pool)) << begin;
  }
}

TEST(AudioStream, GathersTokens) {
  ThreadPool pool(1);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kQ8Tiles);
  size_t reads = 0;
  AudioStream stream(kMel, model.config(), model.weights(),
                     {.least_tokens = 3, .after_block = [&](size_t) { ++reads; }});
  std::vector<int64_t> given;
  for (int i = 0; i < 8; ++i) given.push_back(stream.Push(Noise(2560), pool).shape()[0]);
  EXPECT_EQ(given, std::vector<int64_t>({0, 0, 3, 0, 0, 3, 0, 0}));
  EXPECT_EQ(stream.Finish(pool).shape(), Shape({2, 256}));
  EXPECT_EQ(stream.tokens(), 8);
  EXPECT_EQ(reads, 3 * model.weights().conformer.size());
}

// However much comes at once and however much waits: memory is bounded.
TEST(AudioStream, ComputesOnlySoMuchAtOnce) {
  ThreadPool pool(3);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kQ8Tiles);
  std::vector<int64_t> frames, mel_frames;
  const auto observe = [&](const std::string& name, const Tensor& values) {
    if (name == "conformer.0") frames.push_back(values.shape()[0]);
    if (name == "mel") mel_frames.push_back(values.shape()[0]);
  };
  AudioStream stream(kMel, model.config(), model.weights(),
                     {.least_tokens = 1000, .observer = observe});
  EXPECT_EQ(stream.Push(Noise(191 * 2560), pool).shape()[0], 0);
  EXPECT_EQ(stream.Push(Noise(400 * 2560), pool).shape()[0], 3 * 192);
  EXPECT_EQ(stream.Finish(pool).shape()[0], 15);
  EXPECT_EQ(frames, std::vector<int64_t>({4 * 192 - 3, 4 * 192, 4 * 192, 4 * 15}));
  EXPECT_LE(*std::max_element(mel_frames.begin(), mel_frames.end()), 16 * 192);
}

TEST(AudioStreamDeathTest, EndsOnce) {
  ThreadPool pool(1);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kF32);
  AudioStream stream(kMel, model.config(), model.weights());
  stream.Finish(pool);
  EXPECT_DEATH(stream.Push(Noise(10), pool), "finished");
}

// Frames that the last block leaves out change nothing in the others, nor in what comes next.
TEST(ConformerBlock, LeavesOutFrames) {
  ThreadPool pool(2);
  const RandomAudio model(TinyAudioConfig(), kSeed, DType::kF32);
  const ConformerBlockWeights& weights = model.weights().conformer[0];
  ConformerState all(model.config()), some(model.config());
  RandomNumbers random(kSeed);
  for (int64_t frames : {1, 4, 24, 3}) {
    Tensor x({frames, 256}), y({frames, 256});
    for (float& value : x.span()) value = random.Normal();
    std::copy(x.span().begin(), x.span().end(), y.data());
    ConformerScratch scratch(frames, model.config());
    ConformerBlock(weights, model.config(), 1, all, scratch, pool, x);
    ConformerBlock(weights, model.config(), 4, some, scratch, pool, y);
    EXPECT_EQ(y.shape(), Shape({(frames + 3) / 4, 256}));
    EXPECT_EQ(Values(y), Values(LastOfEvery(4, x)));
  }
}

// What is kept is let go of as the sequence goes on, also rows that are yet to come.
TEST(HeldRows, HoldsTheEnd) {
  HeldRows rows(2);
  const auto append = [&](int64_t count) {
    const int64_t begin = rows.end();
    float* row = rows.Append(count);
    for (int64_t i = 0; i < 2 * count; ++i) row[i] = static_cast<float>(2 * begin + i);
  };
  append(5);
  rows.DropBefore(3);
  append(4);
  EXPECT_EQ(rows.end(), 9);
  EXPECT_EQ(rows.row(3)[0], 6);
  EXPECT_EQ(rows.row(8)[1], 17);
  rows.DropBefore(11);
  EXPECT_EQ(rows.end(), 9);
  append(4);
  rows.DropBefore(11);
  EXPECT_EQ(rows.row(12)[1], 25);
}

TEST(HeldRowsDeathTest, WhatWasLetGoIsGone) {
  HeldRows rows(1);
  rows.Append(5);
  rows.DropBefore(3);
  EXPECT_DEATH(rows.row(2), "check failed");
}

}  // namespace
}  // namespace gemma3n
