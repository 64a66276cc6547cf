// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "checkpoint/weight_sample.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(testing::TempDir()) /
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    Text("config.json", R"({"model_type": "gemma3n"})");
  }

  void Text(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary) << text;
  }
  // One F32 tensor [2] holding 1, 2.
  void Shard(const std::string& file, const std::string& tensor) {
    const std::string header =
        "{\"" + tensor + R"(":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    const uint64_t length = header.size();
    const float values[] = {1, 2};
    Text(file, std::string(reinterpret_cast<const char*>(&length), 8) + header +
                   std::string(reinterpret_cast<const char*>(values), 8));
  }
  std::string MessageOf() {
    try {
      Checkpoint::Load(directory_);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path directory_;
};

TEST_F(CheckpointTest, OlderAndBareNamesAreTheOnesOfToday) {
  const std::pair<const char*, const char*> names[] = {
      {"language_model.model.norm.weight", "model.language_model.norm.weight"},
      {"language_model.norm.weight", "model.language_model.norm.weight"},
      {"language_model.lm_head.weight", "lm_head.weight"},
      {"vision_tower.x", "model.vision_tower.x"},
      {"model.audio_tower.x", "model.audio_tower.x"}};
  for (const auto& [stored, ours] : names) {
    Shard("model.safetensors", stored);
    EXPECT_THAT(Checkpoint::Load(directory_)->Names(), ElementsAre(ours));
  }
}

TEST_F(CheckpointTest, SingleFile) {
  Shard("model.safetensors", "a");
  Text("generation_config.json", R"({"top_k": 64})");
  const auto checkpoint = Checkpoint::Load(directory_);
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a"));
  EXPECT_EQ(ToFloatVector(checkpoint->Get("a", Shape({2}))), (std::vector<float>{1, 2}));
  EXPECT_EQ(checkpoint->Json("generation_config.json")["top_k"].Int(), 64);
  EXPECT_TRUE(checkpoint->Json("absent.json").IsNull());
  EXPECT_EQ(checkpoint->Text("absent.jinja"), std::nullopt);
  EXPECT_TRUE(checkpoint->Find("b").empty());
}

TEST_F(CheckpointTest, Shards) {
  Shard("x-1.safetensors", "a");
  Shard("x-2.safetensors", "b");
  Text("model.safetensors.index.json",
       R"({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}})");
  const auto checkpoint = Checkpoint::Load(directory_);
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b"));
  EXPECT_THAT(checkpoint->FileOf("b"), HasSubstr("x-2.safetensors"));
}

TEST_F(CheckpointTest, hostile_M07_WrongTensorsAreNamed) {
  Shard("model.safetensors", "a");
  const auto checkpoint = Checkpoint::Load(directory_);
  try {
    checkpoint->Get("a", Shape({3, 4}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("model.safetensors: tensor 'a': expected [3, 4], found [2]"));
  }
  try {
    checkpoint->Get("b", Shape({1}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("tensor 'b': expected [1], found nothing"));
  }
}

TEST_F(CheckpointTest, hostile_M07_WeightsThatAreNotFinite) {
  // Where damage may sit in a tensor too large to be read whole: its beginning, middle and end.
  constexpr size_t kElements = 100'000;
  for (size_t at : {size_t{0}, kElements / 2, kElements - 1}) {
    for (float bad : {std::nanf(""), INFINITY, -INFINITY}) {
      const std::string bytes = std::to_string(4 * kElements);
      const std::string header = R"({"big":{"dtype":"F32","shape":[)" + std::to_string(kElements) +
                                 R"(],"data_offsets":[0,)" + bytes + "]}}";
      std::vector<float> values(kElements, 1.0f);
      const auto write = [&] {
        const uint64_t length = header.size();
        Text("model.safetensors",
             std::string(reinterpret_cast<const char*>(&length), 8) + header +
                 std::string(reinterpret_cast<const char*>(values.data()), 4 * kElements));
      };
      write();
      EXPECT_NO_THROW(CheckSampleIsFinite(*Checkpoint::Load(directory_)));
      values[at] = bad;
      write();
      try {
        CheckSampleIsFinite(*Checkpoint::Load(directory_));
        ADD_FAILURE() << at;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("tensor 'big': expected finite weights, found "));
        EXPECT_THAT(error.what(), HasSubstr("at element " + std::to_string(at) + ";"));
      }
    }
  }
}

TEST_F(CheckpointTest, hostile_M08_IndexFile) {
  Shard("x-1.safetensors", "a");
  const auto index = [&](const std::string& map) {
    Text("model.safetensors.index.json", "{\"weight_map\": " + map + "}");
    return MessageOf();
  };
  EXPECT_EQ(index(R"({"a": "x-1.safetensors"})"), "no error");
  for (const char* name : {"../x-1.safetensors", "/etc/passwd", "", "..", "a/b"}) {
    EXPECT_THAT(index("{\"a\": \"" + std::string(name) + "\"}"), HasSubstr("same directory"));
  }
  EXPECT_THAT(index(R"({"a": "gone.safetensors"})"), HasSubstr("cannot be opened"));
  EXPECT_THAT(index(R"({"b": "x-1.safetensors"})"), HasSubstr("tensor 'b' should be here"));
  EXPECT_THAT(index(R"([])"), HasSubstr("weight_map: expected an object"));
  Shard("x-2.safetensors", "a");
  EXPECT_THAT(index(R"({"a": "x-1.safetensors", "c": "x-2.safetensors"})"),
              HasSubstr("tensor 'c'"));
}

TEST_F(CheckpointTest, hostile_M08_TensorInTwoShards) {
  Shard("x-1.safetensors", "a");
  Shard("x-2.safetensors", "a");
  // JSON cannot say it, its keys stand once; a shard can hold what another has.
  Text("model.safetensors.index.json",
       R"({"weight_map": {"a": "x-1.safetensors", "a": "x-2.safetensors"}})");
  EXPECT_THAT(MessageOf(), HasSubstr("\"a\" stands twice"));
  const std::string both = R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                           R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  const uint64_t length = both.size();
  Text("x-2.safetensors",
       std::string(reinterpret_cast<const char*>(&length), 8) + both + std::string(8, '\0'));
  Text("model.safetensors.index.json",
       R"({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}})");
  EXPECT_THAT(MessageOf(), HasSubstr("x-2.safetensors: tensor 'a' is not listed here"));
}

TEST_F(CheckpointTest, hostile_M09_NotADirectory) {
  EXPECT_THAT(MessageOf(), HasSubstr("expected model.safetensors or"));
  EXPECT_THROW(Checkpoint::Load("/dev/zero"), Error);
  EXPECT_THROW(Checkpoint::Load("/nonexistent"), Error);
}

}  // namespace
}  // namespace gemma3n
