// SPDX-License-Identifier: Apache-2.0
#include "watching/word_choice.h"

#include <gtest/gtest.h>

#include <cmath>

#include "gemma3n/error.h"
#include "watching/test_engine.h"

namespace gemma3n {
namespace {

GenerateResult Result(int32_t taken, std::vector<std::pair<int32_t, double>> likeliest) {
  GenerateResult result;
  for (auto& [id, probability] : likeliest) probability = std::log(probability);
  result.logprobs = {{taken, -0.1, std::move(likeliest)}};
  return result;
}

TEST(WordChoice, ComparesAllFormsOfBothWords) {
  const ToldEngine engine([](const Asked&) { return ""; });
  const WordChoice choice(engine, "yes", "no");
  const auto id = [&](const char* word) { return engine.Tokenize(word, false, false)[0]; };
  const auto probability = choice.ProbabilityOfFirst(Result(
      id("maybe"), {{id("maybe"), 0.5}, {id("Yes"), 0.2}, {id("yes"), 0.1}, {id("NO"), 0.1}}));
  ASSERT_TRUE(probability);
  EXPECT_NEAR(*probability, 0.75, 1e-9);
  EXPECT_FALSE(choice.ProbabilityOfFirst(Result(id("maybe"), {{id("maybe"), 0.9}})));
  EXPECT_FALSE(choice.ProbabilityOfFirst({}));  // the model ended its turn
}

TEST(WordChoice, WordsThatBeginAlikeAreRefused) {
  const ToldEngine engine([](const Asked&) { return ""; });
  EXPECT_THROW(WordChoice(engine, "same", "Same"), Error);
}

TEST(WordChoice, AsksForOneTokenWithProbabilities) {
  GenerateOptions options;
  options.stop = {"\n"};
  options.speculation = Speculation::kAuto;
  const GenerateOptions asked = WordChoice::Options(options);
  EXPECT_EQ(asked.max_tokens, 1);
  EXPECT_GT(asked.top_logprobs, 1);
  EXPECT_TRUE(asked.stop.empty());
  EXPECT_EQ(asked.speculation, Speculation::kOff);
}

}  // namespace
}  // namespace gemma3n
