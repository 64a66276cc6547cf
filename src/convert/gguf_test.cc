// SPDX-License-Identifier: Apache-2.0
// Pieces of the way to GGUF; whole files are read back by tests/tools/gguf_test.py.
#include "checkpoint/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include "convert/block_rounding.h"
#include "convert/gguf_vocabulary.h"
#include "gemma3n/convert.h"

namespace gemma3n {
namespace {

using gguf::PieceType;
using testing::ElementsAre;
using testing::HasSubstr;

float HalfAt(const std::byte* data) {
  F16 value;
  std::memcpy(&value.bits, data, 2);
  return ToFloat(value);
}

// Blocks read as their description says, without a line of what wrote them.
std::vector<float> Read(DType dtype, const std::vector<std::byte>& bytes, size_t n) {
  std::vector<float> values(n);
  for (size_t k = 0; k < n; ++k) {
    if (dtype == DType::kBlockQ80) {
      const std::byte* block = bytes.data() + k / 32 * 34;
      values[k] = HalfAt(block) * static_cast<float>(static_cast<int8_t>(block[2 + k % 32]));
    } else {
      const std::byte* block = bytes.data() + k / 32 * 18;
      const int both = static_cast<int>(block[2 + k % 16]);
      values[k] = HalfAt(block) * static_cast<float>((k % 32 < 16 ? both & 15 : both >> 4) - 8);
    }
  }
  return values;
}

double RelativeError(DType dtype, const std::vector<float>& weights) {
  std::vector<std::byte> bytes(weights.size() / 32 * 34);
  EXPECT_EQ(RoundRow(dtype, weights.data(), static_cast<int64_t>(weights.size()), bytes.data()),
            Fit::kFits);
  const std::vector<float> found = Read(dtype, bytes, weights.size());
  double error = 0, size = 0;
  for (size_t k = 0; k < weights.size(); ++k) {
    error += (weights[k] - found[k]) * (weights[k] - found[k]);
    size += weights[k] * weights[k];
  }
  return std::sqrt(error / size);
}

std::vector<float> Gaussian(size_t n) {
  std::mt19937 generator(4);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

// Without the search for scales Q4_0 is at 0.094.
TEST(BlockRounding, IsNearTheWeights) {
  EXPECT_LT(RelativeError(DType::kBlockQ40, Gaussian(4096)), 0.084);
  EXPECT_LT(RelativeError(DType::kBlockQ80, Gaussian(4096)), 0.006);
}

TEST(BlockRounding, KeepsWhatFitsExactly) {
  std::vector<float> weights(64);
  for (size_t k = 0; k < weights.size(); ++k) {
    weights[k] = 0.25f * static_cast<float>(static_cast<int>(k % 16) - 8);
  }
  EXPECT_EQ(RelativeError(DType::kBlockQ40, weights), 0);
  for (float& weight : weights) weight = -weight;  // the side of 8 numbers is that of the largest
  EXPECT_EQ(RelativeError(DType::kBlockQ40, weights), 0);
  const std::vector<float> zeros(32);
  std::vector<std::byte> bytes(34, std::byte{255});
  EXPECT_EQ(RoundRow(DType::kBlockQ40, zeros.data(), 32, bytes.data()), Fit::kFits);
  EXPECT_EQ(Read(DType::kBlockQ40, bytes, 32), zeros);
}

TEST(BlockRounding, TellsWhatDoesNotFit) {
  std::vector<std::byte> bytes(256 * 4);
  const auto fit = [&](DType dtype, float weight) {
    std::vector<float> weights(256, 0.5f);
    weights[200] = weight;
    return RoundRow(dtype, weights.data(), 256, bytes.data());
  };
  EXPECT_EQ(fit(DType::kF16, 65504.0f), Fit::kFits);
  EXPECT_EQ(fit(DType::kF16, -65520.0f), Fit::kTooLarge);
  EXPECT_EQ(fit(DType::kBF16, 1e30f), Fit::kFits);
  for (DType dtype : {DType::kBlockQ40, DType::kBlockQ80, DType::kBlockQ6K}) {
    EXPECT_EQ(fit(dtype, 100000.0f), Fit::kFits);
    EXPECT_EQ(fit(dtype, 1e20f), Fit::kTooLarge);
    EXPECT_EQ(fit(dtype, INFINITY), Fit::kNotFinite);
    EXPECT_EQ(fit(dtype, NAN), Fit::kNotFinite);
  }
}

GgufVocabulary Parse(const std::string& vocab, const std::string& merges, const std::string& added,
                     int64_t size) {
  return GgufVocabulary::Parse(
      JsonValue::Parse(R"({"model": {"unk_token": "<unk>", "vocab": )" + vocab + R"(, "merges": )" +
                           merges + R"(}, "added_tokens": )" + added + "}",
                       "tokenizer.json"),
      size);
}

TEST(GgufVocabulary, ScoresFallWithTheRankOfTheFirstMerge) {
  const GgufVocabulary found =
      Parse(R"({"<unk>": 0, "a": 1, "b": 2, "ab": 3, "aba": 4, "ba": 5, "<0x0A>": 6})",
            R"([["a", "b"], "b a", ["a", "ba"], ["ab", "a"]])",
            R"([{"id": 7, "content": "<end_of_turn>", "special": true},
                {"id": 8, "content": "▁▁x", "special": false}])",
            10);
  EXPECT_THAT(found.pieces, ElementsAre("<unk>", "a", "b", "ab", "aba", "ba", "<0x0A>",
                                        "<end_of_turn>", "  x", "[PAD9]"));
  EXPECT_EQ(found.scores[3], 0);
  EXPECT_EQ(found.scores[5], -1);
  EXPECT_EQ(found.scores[4], -2);
  EXPECT_LT(found.scores[1], -1e6);
  std::vector<int32_t> kinds;
  for (PieceType type :
       {PieceType::kUnknown, PieceType::kNormal, PieceType::kNormal, PieceType::kNormal,
        PieceType::kNormal, PieceType::kNormal, PieceType::kByte, PieceType::kControl,
        PieceType::kUserDefined, PieceType::kUnused}) {
    kinds.push_back(static_cast<int32_t>(type));
  }
  EXPECT_EQ(found.kinds, kinds);
  EXPECT_EQ(found.unknown, 0);
  EXPECT_EQ(found.end_of_turn, 7);
  EXPECT_EQ(found.unlisted_joints, 0);
}

TEST(GgufVocabulary, CountsJointsThatNoMergeLists) {
  const std::string vocab = R"({"a": 0, "b": 1, "ab": 2, "aba": 3, "ba": 4})";
  EXPECT_EQ(Parse(vocab, R"([["a", "b"], ["b", "a"], ["ab", "a"]])", "null", 5).unlisted_joints, 1);
  EXPECT_EQ(Parse(vocab, R"([["a", "b"]])", "null", 5).unlisted_joints, 3);
}

TEST(GgufVocabulary, RefusesIdsBeyondTheTable) {
  const auto message = [](const std::string& vocab, const std::string& merges) {
    try {
      Parse(vocab, merges, "[]", 3);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing");
  };
  EXPECT_THAT(message(R"({"a": 3})", "[]"), HasSubstr("tokenizer.json: model.vocab.a"));
  EXPECT_THAT(message(R"({"a": 1, "b": 1})", "[]"), HasSubstr("an id that no other piece has"));
  EXPECT_THAT(message(R"({"a": 1, "b": 2})", R"([["a", "b"]])"), HasSubstr("model.merges[0]"));
}

TEST(QuantizingToGguf, LeavesNothingBehindWhenCancelled) {
  const auto place =
      std::filesystem::temp_directory_path() / ("gemma3n_gguf_" + std::to_string(getpid()));
  Synthesize({.seed = 3, .out = place / "model"});
  // At every report in turn: within the model's file and within that of the encoders.
  int64_t reports = 0;
  QuantizeOptions options{.model = place / "model",
                          .out = place / "out" / "a.gguf",
                          .to = "gguf",
                          .mmproj = place / "out" / "b.gguf"};
  std::filesystem::create_directories(place / "out");
  EXPECT_TRUE(Quantize(options, [&](const Progress& progress) {
    EXPECT_LE(progress.done, progress.total);
    return ++reports > 0;
  }));
  EXPECT_TRUE(std::filesystem::exists(options.out) && std::filesystem::exists(options.mmproj));
  for (int64_t last : {int64_t{1}, reports / 2, reports}) {
    std::filesystem::remove_all(place / "out");
    std::filesystem::create_directories(place / "out");
    int64_t report = 0;
    EXPECT_FALSE(Quantize(options, [&](const Progress&) { return ++report < last; }));
    EXPECT_TRUE(std::filesystem::is_empty(place / "out")) << last;
  }
  std::filesystem::remove_all(place);
}

}  // namespace
}  // namespace gemma3n
