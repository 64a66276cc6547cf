// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "checkpoint/weight_sample.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

void CheckWeights(const Checkpoint& checkpoint) {
  CheckSampleIsFinite(checkpoint,
                      [&](const std::string& name) { return checkpoint.Find(name).shape[0]; });
}

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
      EXPECT_NO_THROW(CheckWeights(*Checkpoint::Load(directory_)));
      values[at] = bad;
      write();
      try {
        CheckWeights(*Checkpoint::Load(directory_));
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

// How many of the whole pages of [begin, end) are mapped into this process; -1 where it cannot be
// told. One entry of 8 bytes a page, of which the highest bit counts.
int64_t PagesPresent(const std::byte* begin, const std::byte* end) {
  const int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page;
  std::vector<uint64_t> entries(reinterpret_cast<uintptr_t>(end) / page - first);
  const size_t bytes = entries.size() * sizeof(uint64_t);
  const ssize_t read =
      pread(file, entries.data(), bytes, static_cast<off_t>(first * sizeof(uint64_t)));
  if (file >= 0) close(file);
  if (read != static_cast<ssize_t>(bytes)) return -1;
  return std::count_if(entries.begin(), entries.end(), [](uint64_t entry) { return entry >> 63; });
}

// Two tensors of a mebibyte each. Where the header's length puts them beside their alignment, they
// are copied when they are opened: nothing of such memory may be given away.
TEST_F(CheckpointTest, PagesGivenBackLeaveMemoryAndAreReadAnew) {
  constexpr size_t kFloats = 1 << 18;
  std::vector<float> values(2 * kFloats);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  for (bool aligned : {true, false}) {
    std::string header =
        R"({"model.vision_tower.x":{"dtype":"F32","shape":[262144],"data_offsets":[0,1048576]},)"
        R"("lm_head.weight":{"dtype":"F32","shape":[262144],"data_offsets":[1048576,2097152]}})";
    while ((header.size() % 8 == 0) != aligned) header += ' ';
    const uint64_t length = header.size();
    Text("model.safetensors", std::string(reinterpret_cast<const char*>(&length), 8) + header +
                                  std::string(reinterpret_cast<const char*>(values.data()),
                                              values.size() * sizeof(float)));
    const auto checkpoint = Checkpoint::Load(directory_);
    const TensorView tower = checkpoint->Find("model.vision_tower.x");
    const TensorView other = checkpoint->Find("lm_head.weight");
    ASSERT_FALSE(tower.empty() || other.empty());
    const auto present = [](const TensorView& view) {
      return PagesPresent(view.data, view.data + view.bytes());
    };
    const std::vector<float> read = ToFloatVector(tower), kept = ToFloatVector(other);
    if (present(tower) < 0) GTEST_SKIP() << "no pagemap here";
    EXPECT_GT(present(tower), 0);
    checkpoint->GiveBack("model.vision_tower.");
    EXPECT_EQ(present(tower) == 0, aligned);
    EXPECT_EQ(ToFloatVector(tower), read);
    EXPECT_EQ(ToFloatVector(other), kept);
  }
}

}  // namespace
}  // namespace gemma3n
