// SPDX-License-Identifier: Apache-2.0
#include "engine/memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

class ControlGroups : public testing::Test {
 protected:
  ControlGroups() : mount_(std::filesystem::path(testing::TempDir()) / "gemma3n_memory_test") {
    std::filesystem::remove_all(mount_);
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((mount_ / name).parent_path());
    std::ofstream(mount_ / name) << text;
  }
  int64_t Free() { return FreeInControlGroups({mount_ / "groups", mount_}); }

  std::filesystem::path mount_;
};

TEST_F(ControlGroups, PageCacheCountsAsFree) {
  Write("groups", "0::/user/app\n");
  Write("user/app/memory.max", "1000000\n");
  Write("user/app/memory.current", "700000\n");
  Write("user/app/memory.stat", "anon 300000\nactive_file 150000\ninactive_file 250000\n");
  EXPECT_EQ(Free(), 700000);
}

TEST_F(ControlGroups, TheTightestGroupAboveDecides) {
  Write("groups", "0::/user/app\n");
  Write("user/app/memory.max", "max\n");
  Write("user/app/memory.current", "5\n");
  Write("user/memory.max", "1000\n");
  Write("user/memory.current", "400\n");
  EXPECT_EQ(Free(), 600);
}

TEST_F(ControlGroups, FirstVersionUnderThePathOfTheHost) {
  Write("groups", "9:name=systemd:/\n8:cpu:/docker/1\n7:memory:/docker/1\n");
  Write("memory/memory.limit_in_bytes", "5000\n");
  Write("memory/memory.usage_in_bytes", "2000\n");
  Write("memory/memory.stat", "active_file 1\ntotal_active_file 500\ntotal_inactive_file 300\n");
  EXPECT_EQ(Free(), 3800);
}

TEST_F(ControlGroups, WithoutALimitNothingIsKnown) {
  EXPECT_EQ(Free(), -1);
  Write("groups", "7:memory:/\n");
  Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("memory/memory.usage_in_bytes", "2000\n");
  EXPECT_EQ(Free(), -1);
}

TEST(Memory, SomethingIsFree) {
  EXPECT_GT(FreeMemory(), 1 << 20);
}

TEST(Memory, WhatOtherConversationsWillTakeIsNotFree) {
  const LoadedModel model({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  const TextConfig& config = model.config.text;
  CheckContextFits(config, 64, ops::KeyValueType::kF32);
  try {
    CheckContextFits(config, 64, ops::KeyValueType::kF32, FreeMemory());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kResources);
    EXPECT_NE(std::string(error.what()).find("other conversations will take"), std::string::npos)
        << error.what();
  }
}

// Memory counts as taken once a position has been there, also when it is rewound.
TEST(Memory, AConversationTakesWhatItHasFilled) {
  LoadedModel model({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  EXPECT_EQ(model.PromisedBytes(), 0);
  DecoderState state(model.config.text, {.context_length = 128, .kv_type = model.kv_type});
  model.states.insert(&state);
  EXPECT_EQ(model.PromisedBytes(), state.cache_bytes());
  const std::vector<DecoderInput> inputs(64, DecoderInput{.id = model.config.bos_token_id});
  model.NewDecoder()->Prefill(state, inputs, LogitsWanted::kNone, {});
  EXPECT_EQ(model.PromisedBytes(), state.cache_bytes() / 2);
  state.Rewind(0);
  EXPECT_EQ(model.PromisedBytes(), state.cache_bytes() / 2);
}

TEST(Memory, WeightsThatDoNotFitAreANote) {
  EXPECT_EQ(MemoryNote(100, 100), "");
  EXPECT_EQ(MemoryNote(100, -1), "");
  EXPECT_NE(MemoryNote(4'000'000'000, 3'000'000'000).find("reads 4.0 GB of weights, 3.0 GB"),
            std::string::npos);
}

TEST(Memory, BytesAsText) {
  EXPECT_EQ(BytesAsText(34'500'000), "34.5 MB");
  EXPECT_EQ(BytesAsText(7'900'000'000), "7.9 GB");
}

}  // namespace
}  // namespace gemma3n
