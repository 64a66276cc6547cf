// SPDX-License-Identifier: Apache-2.0
#include "engine/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "checkpoint/safetensors.h"
#include "gemma3n/convert.h"
#include "gemma3n/engine.h"
#include "tensor/npy.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

constexpr char kText[] = "The quick brown fox jumps over the lazy dog, and over the lazy cat.";

class PerplexityOfTiny : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    place = std::filesystem::temp_directory_path() / ("gemma3n_ppl_" + std::to_string(getpid()));
    std::filesystem::create_directories(place);
    for (uint64_t seed : {2, 3}) {
      Synthesize({.like = "tiny", .seed = seed, .out = place / ("seed" + std::to_string(seed))});
    }
    one = Engine::Load({.model = place / "seed2"});
    other = Engine::Load({.model = place / "seed3"});
  }
  static void TearDownTestSuite() {
    one = other = nullptr;
    std::filesystem::remove_all(place);
  }

  static Passages Text(const std::string& text) {
    return {1, [text](int64_t) { return Passage{.text = text}; }};
  }
  // [ids, vocabulary]
  static Tensor Logits(Engine& engine, const std::vector<int32_t>& ids) {
    EXPECT_TRUE(engine.WriteLogits(ids, place / "logits.npy"));
    return ReadNpy(place / "logits.npy");
  }
  // In the plainest way: probabilities of the whole vocabulary.
  static std::vector<double> Probabilities(const Tensor& logits, int64_t row) {
    std::vector<double> p(static_cast<size_t>(logits.shape()[1]));
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) sum += p[i] = std::exp(double{logits.row(row)[i]});
    for (double& value : p) value /= sum;
    return p;
  }
  static std::string Message(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing";
  }

  static inline std::filesystem::path place;
  static inline std::shared_ptr<Engine> one, other;
};

TEST_F(PerplexityOfTiny, IsThatOfTheLogits) {
  const std::vector<int32_t> ids = one->Tokenize(kText, false, /*add_bos=*/true);
  const Tensor logits = Logits(*one, ids);
  double sum = 0;
  for (size_t i = 1; i < ids.size(); ++i) {
    sum -= std::log(Probabilities(logits, static_cast<int64_t>(i) - 1)[ids[i]]);
  }
  const auto report = one->Perplexity(Text(kText), {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tokens, static_cast<int64_t>(ids.size()) - 1);
  EXPECT_NEAR(report->negative_log_likelihood, sum / static_cast<double>(report->tokens), 1e-5);
  EXPECT_NEAR(report->perplexity, std::exp(report->negative_log_likelihood), 1e-9);
  EXPECT_FALSE(report->divergence);
}

// Windows of 8 positions are <bos> and 7 tokens; all but the first score their last 3.
TEST_F(PerplexityOfTiny, WindowsScoreEveryTokenOnce) {
  const std::vector<int32_t> ids = one->Tokenize(kText, false, /*add_bos=*/false);
  const int32_t bos = one->Tokenize("", false, true)[0];
  double sum = 0;
  int64_t scored = 0;
  for (size_t begin = 0; scored < static_cast<int64_t>(ids.size()); begin += 3) {
    std::vector<int32_t> window = {bos};
    for (size_t i = begin; i < std::min(ids.size(), begin + 7); ++i) window.push_back(ids[i]);
    const Tensor logits = Logits(*one, window);
    for (size_t i = 1; i < window.size(); ++i) {
      if (static_cast<int64_t>(begin + i) <= scored) continue;
      sum -= std::log(Probabilities(logits, static_cast<int64_t>(i) - 1)[window[i]]);
      ++scored;
    }
  }
  const auto report = one->Perplexity(Text(kText), {.windows = {.window = 8, .stride = 3}});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tokens, static_cast<int64_t>(ids.size()));
  EXPECT_NEAR(report->negative_log_likelihood, sum / static_cast<double>(scored), 1e-5);
}

TEST_F(PerplexityOfTiny, DivergesAsTheLogitsSay) {
  const auto saved = place / "saved";
  ASSERT_TRUE(one->Perplexity(Text(kText), {.save_logits = saved}));
  const auto same = one->Perplexity(Text(kText), {.reference = saved});
  ASSERT_TRUE(same && same->divergence);
  EXPECT_EQ(same->divergence->most, 0);
  EXPECT_EQ(same->divergence->same_likeliest, 1);
  EXPECT_DOUBLE_EQ(same->divergence->reference_perplexity, same->perplexity);

  const std::vector<int32_t> ids = one->Tokenize(kText, false, /*add_bos=*/true);
  const Tensor reference = Logits(*one, ids), logits = Logits(*other, ids);
  std::vector<double> divergences;
  double sum = 0;
  for (int64_t row = 0; row + 1 < logits.shape()[0]; ++row) {
    const std::vector<double> p = Probabilities(reference, row), q = Probabilities(logits, row);
    double divergence = 0;
    for (size_t i = 0; i < p.size(); ++i) divergence += p[i] * std::log(p[i] / q[i]);
    divergences.push_back(divergence);
    sum += divergence;
  }
  std::sort(divergences.begin(), divergences.end());
  const auto found = other->Perplexity(Text(kText), {.reference = saved});
  ASSERT_TRUE(found && found->divergence);
  EXPECT_GT(found->divergence->mean, 0.01);
  EXPECT_NEAR(found->divergence->mean, sum / static_cast<double>(divergences.size()), 1e-5);
  EXPECT_NEAR(found->divergence->most, divergences.back(), 1e-5);
  EXPECT_LT(found->divergence->same_likeliest, 1);
}

// numpy.percentile(range(200), 99, method="inverted_cdf") is 197.
TEST(PerplexitySummary, OrdersDivergences) {
  std::vector<PositionScore> scores;
  for (int i = 199; i >= 0; --i) {
    scores.push_back({.negative_log_likelihood = i % 2 ? 1.0 : 3.0,
                      .divergence = static_cast<double>(i),
                      .same_likeliest = i < 50});
  }
  const PerplexityReport report = Summary(scores, true);
  EXPECT_DOUBLE_EQ(report.negative_log_likelihood, 2);
  EXPECT_NEAR(report.standard_error, 1 / std::sqrt(199.0), 1e-12);
  EXPECT_DOUBLE_EQ(report.divergence->median, 99.5);
  EXPECT_DOUBLE_EQ(report.divergence->most_of_99_percent, 197);
  EXPECT_DOUBLE_EQ(report.divergence->most, 199);
  EXPECT_DOUBLE_EQ(report.divergence->same_likeliest, 0.25);
}

TEST_F(PerplexityOfTiny, ScoresAnswersBehindTheirPrompts) {
  const auto passage = [](int64_t i) {
    Passage result{.turns = {{Role::kUser, {}}}, .answer = i == 0 ? "yes" : "a b"};
    Image image{.width = 32, .height = 32, .rgb = std::vector<uint8_t>(3 * 32 * 32, 90)};
    if (i == 1) result.turns[0].parts.push_back(Part(std::move(image)));
    result.turns[0].parts.push_back("Is it?");
    return result;
  };
  const auto report = one->Perplexity({2, passage}, {});
  ASSERT_TRUE(report);
  const bool ends = !one->Tokenize("<end_of_turn>", true, false).empty();
  EXPECT_EQ(report->tokens,
            static_cast<int64_t>(one->Tokenize("yes", false, false).size() +
                                 one->Tokenize("a b", false, false).size() + (ends ? 2 : 0)));
  // Without the picture by hand: the prompt's ids, then the answer's.
  std::vector<int32_t> ids = one->PromptIds(passage(0).turns, {});
  const size_t before = ids.size();
  for (int32_t id : one->Tokenize("yes<end_of_turn>", true, false)) ids.push_back(id);
  const Tensor logits = Logits(*one, ids);
  double sum = 0;
  for (size_t i = before; i < ids.size(); ++i) {
    sum -= std::log(Probabilities(logits, static_cast<int64_t>(i) - 1)[ids[i]]);
  }
  const auto first = one->Perplexity({1, passage}, {});
  ASSERT_TRUE(first);
  EXPECT_NEAR(first->negative_log_likelihood, sum / static_cast<double>(ids.size() - before), 1e-5);
}

TEST_F(PerplexityOfTiny, RefusesWhatDoesNotFit) {
  const auto saved = place / "refused";
  ASSERT_TRUE(one->Perplexity(Text(kText), {.save_logits = saved}));
  const auto message = [&](const std::string& text, const PerplexityOptions& options) {
    return Message([&] { one->Perplexity(Text(text), options); });
  };
  EXPECT_THAT(message("Another text", {.reference = saved}), HasSubstr("of another text"));
  EXPECT_THAT(message(std::string(kText).substr(0, 20), {.reference = saved}),
              HasSubstr("expected 20 positions, found"));
  EXPECT_THAT(message(kText + std::string(" More"), {.reference = saved}),
              HasSubstr("expected more positions"));
  EXPECT_THAT(message(kText, {.reference = saved, .save_logits = saved}),
              HasSubstr("is the reference"));
  EXPECT_THAT(message(kText, {.reference = place / "seed2" / "model.safetensors"}),
              HasSubstr("expected saved logits"));
  EXPECT_THAT(message("", {}), HasSubstr("found no token"));
  EXPECT_THAT(message(kText, {.windows = {.window = 8, .stride = 8}}),
              HasSubstr("[1, 7], found 8"));
  EXPECT_THAT(message(kText, {.windows = {.window = 1 << 30}}), HasSubstr("context: expected"));
}

TEST_F(PerplexityOfTiny, CancelLeavesNoFile) {
  int calls = 0;
  const auto report = one->Perplexity(
      Text(kText), {.windows = {.window = 8, .stride = 4}, .save_logits = place / "x"},
      [&](const Progress&) { return ++calls < 3; });
  EXPECT_FALSE(report);
  EXPECT_FALSE(std::filesystem::exists(place / "x"));
  EXPECT_FALSE(std::filesystem::exists(place / "x.part"));
}

}  // namespace
}  // namespace gemma3n
