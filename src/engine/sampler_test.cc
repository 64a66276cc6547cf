// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, -1.0f};

// How often each of four ids is drawn, as shares.
std::vector<double> Shares(SamplerSettings settings, const std::vector<int32_t>& banned = {},
                           const std::vector<int32_t>& seen = {}) {
  settings.seed = 7;
  Sampler sampler(settings, 4, banned);
  std::vector<double> shares(4);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) shares[sampler.Sample(kLogits, seen)] += 1.0 / kDraws;
  return shares;
}

TEST(Sampler, ZeroTemperatureTakesTheLikeliestAndTheFirstOfEquals) {
  Sampler sampler({.temperature = 0}, 4, {});
  EXPECT_EQ(sampler.Sample(kLogits, {}), 1);
  EXPECT_EQ(sampler.Sample(std::vector<float>{5, 7, 7, 7}, {}), 1);
}

TEST(Sampler, DrawsByProbability) {
  const std::vector<double> shares = Shares({});
  double total = 0;
  for (float logit : kLogits) total += std::exp(logit);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(shares[i], std::exp(kLogits[i]) / total, 0.02);
}

TEST(Sampler, TopKTopPAndMinPCutTheTail) {
  EXPECT_EQ(Shares({.top_k = 2})[0], 0.0);
  EXPECT_GT(Shares({.top_k = 2})[2], 0.0);
  // Probabilities are 0.09, 0.66, 0.24, 0.01.
  EXPECT_NEAR(Shares({.top_p = 0.6})[1], 1.0, 1e-9);
  for (double least : {0.0, 1e-300}) EXPECT_NEAR(Shares({.top_p = least})[1], 1.0, 1e-9);
  EXPECT_EQ(Shares({.top_p = 0.7})[0], 0.0);
  EXPECT_GT(Shares({.top_p = 0.7})[2], 0.0);
  EXPECT_EQ(Shares({.min_p = 0.2})[0], 0.0);
  EXPECT_GT(Shares({.min_p = 0.2})[2], 0.0);
}

TEST(Sampler, PenaltyBiasAndBans) {
  EXPECT_NEAR(Shares({.temperature = 0}, {1})[2], 1.0, 1e-9);
  EXPECT_NEAR(Shares({.temperature = 0, .repetition_penalty = 2}, {}, {1})[2], 1.0, 1e-9);
  EXPECT_NEAR(Shares({.temperature = 0, .logit_bias = {{3, 10.0}}})[3], 1.0, 1e-9);
}

TEST(Sampler, TypicalPKeepsWhatIsNearestToTheExpectedInformation) {
  // Information is 2.44, 0.44, 1.44, 4.44 nats, 0.80 are to be expected: 1 is nearest, 2 next.
  for (double few : {0.0, 0.5}) EXPECT_NEAR(Shares({.typical_p = few})[1], 1.0, 1e-9);
  const std::vector<double> two = Shares({.typical_p = 0.7});
  EXPECT_GT(two[1], 0.0);
  EXPECT_GT(two[2], 0.0);
  EXPECT_EQ(two[0] + two[3], 0.0);
  // Of four tokens of which one is nearly certain, and three alike, the likeliest is not typical.
  const std::vector<float> logits = {2.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
  Sampler sampler({.typical_p = 0.2, .seed = 3}, 7, {});
  for (int i = 0; i < 200; ++i) EXPECT_NE(sampler.Sample(logits, {}), 0);
}

TEST(Sampler, RepetitionIsPenalizedWithinTheWindow) {
  const auto likeliest = [](int64_t window, std::vector<int32_t> seen) {
    Sampler sampler({.temperature = 0, .repetition_penalty = 2, .repetition_window = window}, 4,
                    {});
    return sampler.Sample(kLogits, seen);
  };
  EXPECT_EQ(likeliest(-1, {1, 0, 0}), 2);
  EXPECT_EQ(likeliest(3, {1, 0, 0}), 2);
  EXPECT_EQ(likeliest(2, {1, 0, 0}), 1);
  EXPECT_EQ(likeliest(0, {1, 1, 1}), 1);
}

TEST(Sampler, PresenceAndFrequencyAreTheAnswers) {
  const auto likeliest = [](double presence, double frequency, size_t prompt,
                            std::vector<int32_t> seen) {
    Sampler sampler(
        {.temperature = 0, .presence_penalty = presence, .frequency_penalty = frequency}, 4, {});
    sampler.BeginAnswer(prompt);
    return sampler.Sample(kLogits, seen);
  };
  EXPECT_EQ(likeliest(1.5, 0, 0, {1}), 2);
  EXPECT_EQ(likeliest(1.5, 0, 1, {1}), 1);           // of the prompt
  EXPECT_EQ(likeliest(0.9, 0, 0, {1, 1, 1, 1}), 1);  // once, however often it stands there
  EXPECT_EQ(likeliest(0, 0.4, 0, {1, 1}), 1);
  EXPECT_EQ(likeliest(0, 0.4, 0, {1, 1, 1}), 2);
  EXPECT_EQ(likeliest(-2, 0, 0, {2}), 2);  // below 0: the more of it
}

TEST(Sampler, SameSeedSameDraws) {
  for (uint64_t seed : {0, 1, 99}) {
    Sampler a({.seed = seed}, 4, {}), b({.seed = seed}, 4, {});
    for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Sample(kLogits, {}), b.Sample(kLogits, {}));
  }
}

TEST(Sampler, hostile_J11_NothingToChooseFrom) {
  Sampler none({}, 4, std::vector<int32_t>{0, 1, 2, 3});
  EXPECT_THROW(none.Sample(kLogits, {}), Error);
  // All alike: any of them, and without chance the first.
  const std::vector<float> alike(4, -1e30f);
  for (double temperature : {0.0, 1e-300, 1.0, 100.0}) {
    Sampler any({.temperature = temperature, .seed = 3}, 4, {});
    for (int i = 0; i < 50; ++i) {
      const int32_t id = any.Sample(alike, {});
      EXPECT_TRUE(id >= 0 && id < 4 && (id == 0 || temperature > 0));
    }
  }
  Sampler sampler({}, 4, {});
  std::vector<float> broken = kLogits;
  broken[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(sampler.Sample(broken, {}), Error);
  EXPECT_THROW(Sampler({.logit_bias = {{4, 1.0}}}, 4, {}), Error);
  EXPECT_THROW(Sampler({.logit_bias = {{-1, 1.0}}}, 4, {}), Error);
  EXPECT_THROW(Sampler({.logit_bias = {{1, std::nan("")}}}, 4, {}), Error);
  EXPECT_THROW(Sampler({.logit_bias = {{1, 1e300}}}, 4, {}), Error);
}

TEST(Sampler, LogprobsAreThoseOfSoftmax) {
  const TokenLogprob logprob = Sampler::Logprob(kLogits, 2, 2);
  double total = 0;
  for (float logit : kLogits) total += std::exp(logit);
  EXPECT_NEAR(logprob.logprob, 2 - std::log(total), 1e-6);
  ASSERT_EQ(logprob.likeliest.size(), 2u);
  EXPECT_EQ(logprob.likeliest[0].first, 1);
  EXPECT_EQ(logprob.likeliest[1].first, 2);
}

}  // namespace
}  // namespace gemma3n
