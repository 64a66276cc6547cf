// SPDX-License-Identifier: Apache-2.0
// What programs that use the library rely on; tests/tools/slice_test.py compares logits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "convert/cut.h"
#include "gemma3n/convert.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(Selection, IsTheRunsOfEveryRepeat) {
  // More than one piece of them.
  std::vector<std::byte> source(12 << 20), expected, found;
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 7 + i / 256);
  const Selection selection{.data = source.data(),
                            .repeats = 3,
                            .stride = 4 << 20,
                            .runs = {{5, 1000}, {2000, (3 << 20) + 1}}};
  for (size_t repeat = 0; repeat < 3; ++repeat) {
    for (const auto& [offset, bytes] : selection.runs) {
      const auto begin = source.begin() + static_cast<ptrdiff_t>((repeat << 22) + offset);
      expected.insert(expected.end(), begin, begin + static_cast<ptrdiff_t>(bytes));
    }
  }
  size_t pieces = 0;
  EXPECT_TRUE(selection.ForEachPiece([&](std::span<const std::byte> piece) {
    found.insert(found.end(), piece.begin(), piece.end());
    return ++pieces > 0;
  }));
  EXPECT_EQ(found, expected);
  EXPECT_EQ(selection.bytes(), expected.size());
  EXPECT_GT(pieces, 1u);
  EXPECT_FALSE(selection.ForEachPiece([](std::span<const std::byte>) { return false; }));
}

class Slicing : public testing::Test {
 protected:
  Slicing() {
    fs::remove_all(place_);
    fs::create_directories(place_);
    Synthesize({.like = "tiny", .seed = 3, .out = place_ / "model"});
    Quantize({.model = place_ / "model", .out = place_ / "model.g3n"});
    Quantize({.model = place_ / "model", .out = place_ / "model.gguf", .to = "gguf"});
  }
  ~Slicing() override { fs::remove_all(place_); }

  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(place_)) {
      files.push_back(entry.path().filename().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  const fs::path place_ = fs::temp_directory_path() / ("slice_test_" + std::to_string(getpid()));
};

TEST_F(Slicing, LeavesNothingWhenCancelled) {
  const std::vector<std::string> before = Files();
  for (const char* source : {"model", "model.g3n", "model.gguf"}) {
    for (const int most : {0, 1, 40}) {
      int calls = 0;
      const bool done = Slice({.model = place_ / source, .out = place_ / "out", .size = "full"},
                              [&](const Progress&) { return calls++ < most; });
      EXPECT_FALSE(done);
      EXPECT_EQ(calls, most + 1);
      EXPECT_EQ(Files(), before) << source;
    }
  }
}

TEST_F(Slicing, TellsBytesUntilAllAreThere) {
  for (const char* source : {"model", "model.g3n", "model.gguf"}) {
    int64_t done = 0, total = 0;
    EXPECT_TRUE(Slice({.model = place_ / source, .out = place_ / "out"}, [&](const Progress& now) {
      EXPECT_GT(now.done, done);
      done = now.done;
      total = now.total;
      return true;
    }));
    EXPECT_EQ(done, total) << source;
    EXPECT_GT(total, 100'000) << source;
    EXPECT_NO_THROW(Checkpoint::Load(place_ / "out")) << source;
    fs::remove_all(place_ / "out");
  }
}

TEST_F(Slicing, WritesOverWhatAKilledCutLeft) {
  fs::create_directory(place_ / "out.part");
  std::ofstream(place_ / "out.part/model.safetensors.part") << "half";
  EXPECT_TRUE(Slice({.model = place_ / "model", .out = place_ / "out/"}));
  EXPECT_FALSE(fs::exists(place_ / "out.part"));
  EXPECT_FALSE(fs::exists(place_ / "out/model.safetensors.part"));
  // But not over a directory that happens to be called so.
  fs::create_directories(place_ / "other.part/precious");
  try {
    Slice({.model = place_ / "model", .out = place_ / "other"});
    ADD_FAILURE() << "was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("found a directory in it"));
  }
  EXPECT_TRUE(fs::exists(place_ / "other.part/precious"));
}

}  // namespace
}  // namespace gemma3n
