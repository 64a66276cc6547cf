// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "gemma3n/convert.h"
#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

constexpr char kText[] = "The quick brown fox jumps over the lazy dog, and over the lazy cat.";
constexpr char kOther[] = "Nothing of this is known to a model of random weights.";

class LabOfTiny : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    place = std::filesystem::temp_directory_path() / ("gemma3n_lab_" + std::to_string(getpid()));
    Synthesize({.like = "tiny", .seed = 2, .out = place});
    engine = Engine::Load({.model = place});
  }
  static void TearDownTestSuite() {
    engine = nullptr;
    std::filesystem::remove_all(place);
  }
  static Passages Texts() {
    return {2, [](int64_t i) { return Passage{.text = i == 0 ? kText : kOther}; }};
  }
  static ReadOptions Options(bool divergence) {
    return {.windows = {.window = 16, .stride = 8},
            .most_reference_bytes = divergence ? 1 << 30 : 0};
  }
  static ModelSize Narrow(const Lab& lab) {
    ModelSize size = lab.full();
    size.name = "narrow";
    for (int64_t& width : size.intermediate_size) width /= 2;
    return size;
  }
  static double Sum(const std::vector<PassageScore>& scores, double PassageScore::*field) {
    double sum = 0;
    for (const PassageScore& score : scores) sum += score.*field;
    return sum;
  }

  static inline std::filesystem::path place;
  static inline std::shared_ptr<Engine> engine;
};

TEST_F(LabOfTiny, ScoresAsPerplexityDoes) {
  const auto lab = engine->NewLab();
  ASSERT_TRUE(lab->Read(Texts(), Options(true)));
  const std::vector<ModelSize> sizes = {lab->full(), Narrow(*lab)};
  const auto scores = lab->Score(sizes);
  ASSERT_TRUE(scores);
  const auto expected = engine->Perplexity(Texts(), {.windows = Options(true).windows});
  EXPECT_EQ(expected->tokens, lab->tokens());
  ASSERT_EQ((*scores)[0].size(), 2u);
  EXPECT_EQ((*scores)[0][0].tokens + (*scores)[0][1].tokens, lab->tokens());
  EXPECT_NEAR(Sum((*scores)[0], &PassageScore::negative_log_likelihood) /
                  static_cast<double>(lab->tokens()),
              expected->negative_log_likelihood, 1e-9);
  EXPECT_EQ(Sum((*scores)[0], &PassageScore::divergence), 0);
  EXPECT_GT(Sum((*scores)[1], &PassageScore::divergence), 0);
}

TEST_F(LabOfTiny, ScoresASizeAsAnEngineOfThatSize) {
  const auto lab = engine->NewLab();
  ASSERT_TRUE(lab->Read(Texts(), Options(false)));
  const std::vector<ModelSize> sizes = {Narrow(*lab)};
  const auto scores = lab->Score(sizes);
  const auto narrow = Engine::Load(
      {.model = place, .size = "ffn=" + std::to_string(sizes[0].intermediate_size[0])});
  ASSERT_EQ(narrow->size(), sizes[0]);
  const auto expected = narrow->Perplexity(Texts(), {.windows = Options(false).windows});
  EXPECT_NEAR(Sum((*scores)[0], &PassageScore::negative_log_likelihood) /
                  static_cast<double>(lab->tokens()),
              expected->negative_log_likelihood, 1e-9);
  EXPECT_EQ(Sum((*scores)[0], &PassageScore::divergence), 0);  // not asked for
}

TEST_F(LabOfTiny, SaysHowLayersMayBeCut) {
  const auto lab = engine->NewLab();
  ASSERT_EQ(lab->layers().size(), lab->full().layers.size());
  EXPECT_TRUE(lab->published().empty());
  for (size_t layer = 0; layer < lab->layers().size(); ++layer) {
    const LayerCuts& cuts = lab->layers()[layer];
    EXPECT_EQ(cuts.width, lab->full().intermediate_size[layer]);
    ModelSize size = lab->full();
    size.intermediate_size[layer] = cuts.step;
    EXPECT_NO_THROW(engine->FactsOf(size));
    size = lab->full();
    size.layers.erase(size.layers.begin() + static_cast<long>(layer));
    size.intermediate_size.erase(size.intermediate_size.begin() + static_cast<long>(layer));
    if (cuts.may_be_left_out) {
      EXPECT_NO_THROW(engine->FactsOf(size)) << layer;
    } else {
      EXPECT_THROW(engine->FactsOf(size), Error) << layer;
    }
  }
}

TEST_F(LabOfTiny, TimesAndWeighs) {
  const auto lab = engine->NewLab();
  const auto speed = lab->Time(Narrow(*lab), {.prompt = 8, .steps = 2, .seconds = 0.001});
  ASSERT_TRUE(speed);
  EXPECT_GT(speed->prefill_tokens_per_second, 0);
  EXPECT_GT(speed->decode_tokens_per_second, 0);
  EXPECT_LT(lab->MemoryFor(Narrow(*lab), 16), lab->MemoryFor(lab->full(), 16));
  EXPECT_LT(lab->MemoryFor(lab->full(), 16), lab->MemoryFor(lab->full(), 64));
}

TEST_F(LabOfTiny, CanBeCancelled) {
  const auto lab = engine->NewLab();
  const auto never = [](const Progress&) { return false; };
  EXPECT_FALSE(lab->Read(Texts(), Options(true), never));
  ASSERT_TRUE(lab->Read(Texts(), Options(false)));
  EXPECT_FALSE(lab->Score({{lab->full()}}, never));
  EXPECT_FALSE(lab->Time(lab->full(), {}, never));
}

}  // namespace
}  // namespace gemma3n
