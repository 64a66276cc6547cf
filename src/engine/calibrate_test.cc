// SPDX-License-Identifier: Apache-2.0
// Quantize with calibration text, on a small model of random weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "checkpoint/packed_file.h"
#include "convert/presets.h"
#include "gemma3n/convert.h"
#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

class Calibrating : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    place =
        std::filesystem::temp_directory_path() / ("gemma3n_calibrate_" + std::to_string(getpid()));
    std::filesystem::create_directories(place);
    // Wide enough for every packed form.
    auto config = nlohmann::json::parse(PresetConfig("tiny"));
    config["text_config"]["hidden_size"] = 144;
    config["text_config"]["hidden_size_per_layer_input"] = 128;
    std::ofstream(place / "config.json") << config;
    Synthesize({.like = place / "config.json", .seed = 3, .out = place / "model"});
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(place); }

  static Passages Text(const char* text) {
    return {1, [text](int64_t) { return Passage{.text = text}; }};
  }
  // An answer behind a picture, and one behind a sound.
  static Passages Seen() {
    return {2, [](int64_t i) {
              Passage passage{.turns = {{Role::kUser, {}}}, .answer = "a thing"};
              if (i == 0) {
                Image image{
                    .width = 32, .height = 32, .rgb = std::vector<uint8_t>(3 * 32 * 32, 70)};
                passage.turns[0].parts.push_back(Part(std::move(image)));
              } else {
                AudioClip clip{.samples = std::vector<float>(8000), .sample_rate_hz = 16000};
                for (size_t k = 0; k < clip.samples.size(); ++k) {
                  clip.samples[k] = 0.1f * static_cast<float>(k % 97) / 97;
                }
                passage.turns[0].parts.push_back(Part(std::move(clip)));
              }
              passage.turns[0].parts.push_back("What is this?");
              return passage;
            }};
  }
  static QuantizeOptions Options(const std::string& name) {
    return {.model = place / "model", .out = place / name, .force = true};
  }
  // The divergence of a packed model's predictions from the model's as it is stored.
  static double Divergence(const std::string& name) {
    const auto logits = place / "logits";
    if (!std::filesystem::exists(logits)) {
      Engine::Load({.model = place / "model"})->Perplexity(Text(kRead), {.save_logits = logits});
    }
    return Engine::Load({.model = place / name})
        ->Perplexity(Text(kRead), {.reference = logits})
        ->divergence->mean;
  }
  static std::string Bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string Message(const QuantizeOptions& options, const Passages& text) {
    try {
      Quantize(options, text);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  }

  static constexpr char kText[] =
      "It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
      "age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
      "season of Light, it was the season of Darkness, it was the spring of hope, it was the "
      "winter of despair, we had everything before us, we had nothing before us.";
  static constexpr char kRead[] =
      "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money "
      "in my purse, and nothing particular to interest me on shore, I thought I would sail about.";
  static inline std::filesystem::path place;
};

// A real model, on items of text of its evaluation: every other one to calibrate with, the others
// to measure with, prompts included, since the answers are all but certain. The token table has 8
// bits, so that the layers decide.
TEST_F(Calibrating, BringsPredictionsNearer) {
  const std::filesystem::path nano = std::filesystem::path(GEMMA3N_SOURCE_DIR) / "models/nano";
  std::vector<Passage> even, odd;
  std::ifstream items(nano / "eval/eval.jsonl");
  for (std::string line; std::getline(items, line);) {
    const auto item = nlohmann::json::parse(line);
    if (item.contains("images") || item.contains("audio") || item.contains("videos")) continue;
    const std::string prompt = item["prompt"], answer = item["answer"];
    (even.size() > odd.size() ? odd : even).push_back({.text = prompt + "\n" + answer});
  }
  ASSERT_GT(odd.size(), 20u);
  const auto passages = [](const std::vector<Passage>& list) {
    return Passages{static_cast<int64_t>(list.size()),
                    [&list](int64_t i) { return list[static_cast<size_t>(i)]; }};
  };
  std::ofstream(place / "table.json") << R"({"rules": [{"tensors": "*embed_tokens.weight",
                                                        "as": "q8"}]})";
  const auto logits = place / "nano.logits";
  Engine::Load({.model = nano})->Perplexity(passages(odd), {.save_logits = logits});
  const auto divergence = [&](const char* rounding) {
    QuantizeOptions options{.model = nano, .out = place / "nano.g3n"};
    options.force = true;
    options.recipe = place / "table.json";
    options.rounding = rounding;
    EXPECT_TRUE(Quantize(options, passages(even)));
    return Engine::Load({.model = options.out})
        ->Perplexity(passages(odd), {.reference = logits})
        ->divergence->mean;
  };
  const double nearest = divergence("nearest"), feedback = divergence("feedback");
  EXPECT_LT(nearest, 0.1);
  std::printf("nearest %.6f, feedback %.6f\n", nearest, feedback);
  EXPECT_LT(feedback, 0.9 * nearest);
}

TEST_F(Calibrating, NearestIsAsWithoutText) {
  ASSERT_TRUE(Quantize(Options("plain.g3n")));
  QuantizeOptions options = Options("text.g3n");
  options.rounding = "nearest";
  ASSERT_TRUE(Quantize(options, Text(kText)));
  EXPECT_TRUE(Bytes(place / "plain.g3n") == Bytes(place / "text.g3n"));
}

TEST_F(Calibrating, TakesPicturesAndSounds) {
  QuantizeOptions options = Options("seen.g3n");
  options.rounding = "weighted";
  ASSERT_TRUE(Quantize(options, Seen()));
  EXPECT_TRUE(PackedFile(place / "seen.g3n").Damaged([](uint64_t) { return true; }).empty());
  ASSERT_TRUE(Quantize(Options("plain.g3n")));
  EXPECT_FALSE(Bytes(place / "plain.g3n") == Bytes(place / "seen.g3n"));
}

TEST_F(Calibrating, BitsStayInTheBudgetAndCanBeSaved) {
  const auto bits_of = [&](const std::string& name) {
    double weights = 0, bytes = 0;
    const PackedFile file(place / name);
    for (const auto& [tensor, view] : file.tensors()) {
      if (!IsPacked(view.dtype) || tensor.find("_tower.") != std::string::npos) continue;
      weights += static_cast<double>(view.shape.NumElements());
      bytes += static_cast<double>(view.bytes());
    }
    return 8 * bytes / weights;
  };
  ASSERT_TRUE(Quantize(Options("q4.g3n")));
  const double least = bits_of("q4.g3n");
  QuantizeOptions options = Options("mixed.g3n");
  options.rounding = "nearest";
  options.bits = least + 0.3;
  options.save_recipe = place / "mixed.json";
  ASSERT_TRUE(Quantize(options, Text("It was the best of times")));
  EXPECT_GT(bits_of("mixed.g3n"), least + 0.1);
  EXPECT_LE(bits_of("mixed.g3n"), least + 0.3);
  EXPECT_LT(Divergence("mixed.g3n"), Divergence("q4.g3n"));
  // The saved recipe makes the same file.
  QuantizeOptions again = Options("again.g3n");
  again.recipe = place / "mixed.json";
  ASSERT_TRUE(Quantize(again));
  EXPECT_TRUE(Bytes(place / "mixed.g3n") == Bytes(place / "again.g3n"));
  options.bits = least - 0.1;
  EXPECT_THAT(Message(options, Text(kText)), HasSubstr("bits: expected at least"));
}

TEST_F(Calibrating, RefusesWhatItCannotDo) {
  QuantizeOptions options = Options("never.g3n");
  EXPECT_THAT(Message(options, Text("")), HasSubstr("found no token"));
  options.to = "gguf";
  EXPECT_THAT(Message(options, Text(kText)), HasSubstr("calibrate: is for packed files"));
  options = Options("never.g3n");
  options.rounding = "up";
  EXPECT_THAT(Message(options, Text(kText)), HasSubstr("found up"));
  // A sparse layer's two matrices are read the same way.
  std::ofstream(place / "half.json")
      << R"({"rules": [{"tensors": "*.layers.0.mlp.up_proj.weight", "as": "bf16"}]})";
  options = Options("never.g3n");
  options.recipe = place / "half.json";
  EXPECT_THAT(Message(options, Text(kText)), HasSubstr("of the same sparse layer, found bf16"));
  EXPECT_FALSE(Quantize(Options("never.g3n"), Text(kText), [](const Progress& progress) {
    return progress.what != "reading calibration text";
  }));
  EXPECT_FALSE(std::filesystem::exists(place / "never.g3n"));
  EXPECT_FALSE(std::filesystem::exists(place / "never.g3n.part"));
}

}  // namespace
}  // namespace gemma3n
