// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "audio/encoder.h"
#include "checkpoint/checkpoint.h"
#include "convert/presets.h"
#include "convert/random_weights.h"
#include "convert/tensor_list.h"
#include "gemma3n/convert.h"
#include "gemma3n/inspect.h"

namespace gemma3n {
namespace {

using testing::IsEmpty;

std::filesystem::path Directory(const char* name) {
  return std::filesystem::path(testing::TempDir()) / "gemma3n_synth_test" / name;
}

std::string Bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// FNV-1a of a file, so that a test can hold bytes fast that must never change.
uint64_t Fingerprint(const std::filesystem::path& path) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : Bytes(path)) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return hash;
}

TEST(RandomWeights, PartsAgreeWithTheWhole) {
  const RandomWeights weights(3, "a.weight", Shape({100, 64}));
  std::vector<float> whole(6400), part(100);
  weights.Fill(0, whole);
  weights.Fill(1234, part);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 1234));
  double squares = 0;
  for (float value : whole) squares += double{value} * value;
  EXPECT_NEAR(std::sqrt(squares / 6400), 1.0 / 8, 0.005);
}

TEST(Synth, SameSeedSameBytes) {
  for (const char* name : {"one", "two"}) {
    ASSERT_TRUE(Synthesize({.like = "tiny", .seed = 5, .out = Directory(name)}));
  }
  ASSERT_TRUE(Synthesize({.like = "tiny", .seed = 6, .out = Directory("other")}));
  const std::string one = Bytes(Directory("one") / "model.safetensors");
  EXPECT_TRUE(one == Bytes(Directory("two") / "model.safetensors"));
  EXPECT_FALSE(one == Bytes(Directory("other") / "model.safetensors"));
  // The same on every machine: the goldens of the reference stand on it.
  EXPECT_EQ(Fingerprint(Directory("one") / "model.safetensors"), 540214970293184961u);
}

TEST(Synth, ShardsHoldTheSameTensors) {
  ASSERT_TRUE(Synthesize({.like = "tiny", .seed = 5, .dtype = "f32", .out = Directory("single")}));
  ASSERT_TRUE(Synthesize({.like = "tiny",
                          .seed = 5,
                          .dtype = "f32",
                          .out = Directory("shards"),
                          .shard_bytes = 1'000'000}));
  const auto single = Checkpoint::Load(Directory("single"));
  const auto shards = Checkpoint::Load(Directory("shards"));
  EXPECT_EQ(single->Names(), shards->Names());
  for (const std::string& name : single->Names()) {
    EXPECT_EQ(ToFloatVector(single->Find(name)), ToFloatVector(shards->Find(name)));
  }
}

TEST(Synth, CancelLeavesNoModel) {
  EXPECT_FALSE(Synthesize({.like = "tiny", .out = Directory("cancelled")},
                          [](const Progress&) { return false; }));
  EXPECT_FALSE(std::filesystem::exists(Directory("cancelled") / "config.json"));
  EXPECT_FALSE(std::filesystem::exists(Directory("cancelled") / "model.safetensors"));
}

TEST(Inspect, TinyIsComplete) {
  ASSERT_TRUE(Synthesize({.like = "tiny", .out = Directory("inspected")}));
  const ModelReport report = Inspect(Directory("inspected"), /*read_all=*/true);
  EXPECT_THAT(report.missing, IsEmpty());
  EXPECT_THAT(report.surplus, IsEmpty());
  EXPECT_THAT(report.misshapen, IsEmpty());
  EXPECT_THAT(report.not_finite, IsEmpty());
  EXPECT_TRUE(report.read_all);
  EXPECT_FALSE(
      Inspect(Directory("inspected"), true, [](const Progress&) { return false; }).read_all);
  EXPECT_TRUE(report.sees && report.hears);
  EXPECT_EQ(report.layers.size(), 10u);
  EXPECT_EQ(report.layers[7].kv_source, 3);
  EXPECT_EQ(report.layers[9].kv_source, 4);
  EXPECT_EQ(report.kind, "a Gemma 3n of another size");
}

// A checkpoint's encoder serves streams as it serves clips.
TEST(Synth, HearsAStreamAsAClip) {
  ASSERT_TRUE(Synthesize({.like = "tiny", .out = Directory("hearing")}));
  const auto checkpoint = Checkpoint::Load(Directory("hearing"));
  ThreadPool pool(2);
  const auto encoder = AudioEncoder::Load(*checkpoint, pool);
  std::vector<float> samples(30000);
  RandomWeights(1, "samples", Shape({30000})).Fill(0, samples);
  const Tensor clip = encoder->Encode(samples, pool);
  EXPECT_EQ(clip.shape(), Shape({encoder->NumTokens(30000), encoder->hidden_size()}));
  AudioStream stream = encoder->Stream(2);
  std::vector<float> features;
  const auto add = [&](const Tensor& tokens) {
    features.insert(features.end(), tokens.span().begin(), tokens.span().end());
  };
  for (size_t at = 0; at < samples.size(); at += 480) {
    add(stream.Push(std::span(samples).subspan(at, std::min<size_t>(480, samples.size() - at)),
                    pool));
  }
  add(stream.Finish(pool));
  EXPECT_EQ(features, std::vector<float>(clip.span().begin(), clip.span().end()));
}

// The counts that Google's own notebook prints for the two shapes.
TEST(TensorList, CountsTheReleasedModels) {
  const struct {
    const char* name;
    int64_t total;
  } models[] = {{"e2b", 5439438208}, {"e4b", 7849978128}};
  for (const auto& [name, total] : models) {
    int64_t count = 0;
    const JsonValue config = JsonValue::Parse(PresetConfig(name), name);
    for (const TensorEntry& entry : ListTensors(config, ModelParts::Stated(config))) {
      // The notebook's count comes from checkpoints without the stem's bias.
      if (entry.need != TensorEntry::Need::kOptional) count += entry.shape.NumElements();
    }
    EXPECT_EQ(count, total) << name;
  }
}

TEST(Inspect, hostile_M07_FindsWhatIsNotANumber) {
  const auto directory = Directory("broken");
  ASSERT_TRUE(Synthesize({.like = "tiny", .dtype = "f32", .out = directory}));
  std::string bytes = Bytes(directory / "model.safetensors");
  const float infinity = INFINITY;
  bytes.replace(bytes.size() - 4, 4, reinterpret_cast<const char*>(&infinity), 4);
  std::ofstream(directory / "model.safetensors", std::ios::binary) << bytes;
  EXPECT_EQ(Inspect(directory, /*read_all=*/true).not_finite.size(), 1u);
  EXPECT_THAT(Inspect(directory, /*read_all=*/false).not_finite, IsEmpty());
}

TEST(Synth, KeepsWhatItDidNotWrite) {
  const auto directory = Directory("foreign");
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "model.safetensors") << "weights of somebody";
  EXPECT_THROW(Synthesize({.like = "tiny", .out = directory}), Error);
  EXPECT_THROW(
      Synthesize({.like = "tiny", .tokenizer = "/nonexistent", .out = directory, .force = true}),
      Error);
  EXPECT_EQ(Bytes(directory / "model.safetensors"), "weights of somebody");
  EXPECT_TRUE(Synthesize({.like = "tiny", .out = directory, .force = true}));
  EXPECT_TRUE(Synthesize({.like = "tiny", .seed = 1, .out = directory}));  // ours by now
}

TEST(Synth, BadOptionsAreErrors) {
  EXPECT_THROW(Synthesize({.like = "tiny", .dtype = "q4", .out = Directory("x")}), Error);
  EXPECT_THROW(Synthesize({.like = "/nonexistent/config.json", .out = Directory("x")}), Error);
  EXPECT_THROW(Synthesize({.like = "tiny", .out = "/proc/nowhere"}), Error);
}

}  // namespace
}  // namespace gemma3n
