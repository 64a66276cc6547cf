// SPDX-License-Identifier: Apache-2.0
// Speculation changes no token: answers with it are those without, greedy and sampled.
#include "engine/next_tokens.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

constexpr int64_t kContext = 220;

TextConfig Config() {
  TextConfig config = TinyConfig();
  config.vocab_size = config.vocab_size_per_layer_input = 24;  // so that texts repeat
  return config;
}

struct Found {
  std::vector<int32_t> answer;
  int64_t accepted, guessed;
};

struct Settings {
  SamplerSettings sampling;
  Speculation speculation;
  SubmodelShape draft;
  int threads = 2;
};

Found Answer(const DecoderWeights& weights, const Settings& settings, int64_t count) {
  ThreadPool pool(settings.threads);
  Decoder decoder(weights, pool, {.max_chunk = 32});
  DecoderState state(weights.config, {.context_length = kContext, .max_chunk = 32});
  std::vector<int32_t> seen;
  std::vector<DecoderInput> inputs;
  for (int i = 0; i < 90; ++i) seen.push_back((i * i + i / 7) % 24);
  for (int32_t id : seen) inputs.push_back({.id = id});
  std::vector<float> logits(decoder.vocab_size());
  decoder.Prefill(state, inputs, LogitsWanted::kLast, logits);
  Sampler sampler(settings.sampling, decoder.vocab_size(), {});
  NextTokens next({weights, decoder, state, sampler}, settings.speculation, settings.draft,
                  sampler);
  Found found{};
  seen.push_back(sampler.Sample(logits, seen));
  found.answer.push_back(seen.back());
  while (static_cast<int64_t>(found.answer.size()) < count && state.position() < kContext) {
    const size_t before = seen.size();
    const auto tokens = next.After(seen, count - static_cast<int64_t>(found.answer.size()));
    EXPECT_GE(tokens.size(), size_t{1});
    EXPECT_EQ(seen.size(), before + tokens.size());
    EXPECT_EQ(state.position() + 1, static_cast<int64_t>(seen.size()));
    for (const NextTokens::Token& token : tokens) found.answer.push_back(token.id);
  }
  found.accepted = next.accepted();
  found.guessed = next.guessed();
  return found;
}

const SamplerSettings kGreedy{.temperature = 0};
const SamplerSettings kSampled{
    .temperature = 0.8, .top_k = 12, .top_p = 0.95, .repetition_penalty = 1.1, .seed = 7};

TEST(NextTokens, AnswersAreThoseWithoutSpeculation) {
  const RandomDecoder model(Config(), 11, DType::kF32);
  const SubmodelShape full = SubmodelShape::Full(Config());
  SubmodelShape thin = full;
  for (size_t i = 4; i < 7; ++i) thin.intermediate_size[i] = 60;
  int64_t accepted = 0;
  for (const SamplerSettings& sampling : {kGreedy, kSampled}) {
    const Found plain = Answer(model.weights(), {sampling, Speculation::kOff, full}, 100);
    EXPECT_EQ(plain.guessed, 0);
    for (Speculation way : {Speculation::kLookup, Speculation::kDraft, Speculation::kAuto}) {
      for (int threads : {1, 3}) {
        const Found found = Answer(model.weights(), {sampling, way, thin, threads}, 100);
        EXPECT_EQ(found.answer, plain.answer);
        accepted += found.accepted;
      }
    }
    // The answer's own size guesses nothing wrong.
    const Found itself = Answer(model.weights(), {sampling, Speculation::kDraft, full}, 100);
    EXPECT_EQ(itself.answer, plain.answer);
    EXPECT_EQ(itself.accepted, itself.guessed);
    EXPECT_GT(itself.guessed, 80);
  }
  EXPECT_GT(accepted, 20);  // else the comparison shows little
}

TEST(NextTokens, FillTheContextToItsEnd) {
  const RandomDecoder model(Config(), 11, DType::kF32);
  const SubmodelShape full = SubmodelShape::Full(Config());
  const auto count = [&](Speculation way) {
    return Answer(model.weights(), {kGreedy, way, full}, 10 * kContext).answer.size();
  };
  EXPECT_EQ(count(Speculation::kDraft), count(Speculation::kOff));
  EXPECT_EQ(count(Speculation::kLookup), count(Speculation::kOff));
}

// Over many seeds the second token after a guess is distributed as its probabilities say.
TEST(NextTokens, SampledTokensHaveTheModelsDistribution) {
  const RandomDecoder model(Config(), 12, DType::kF32);
  SubmodelShape thin = SubmodelShape::Full(Config());
  thin.intermediate_size[6] = 20;
  constexpr int kSeeds = 1500;
  std::map<int32_t, int> plain, guessed;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const SamplerSettings one{.temperature = 1, .seed = static_cast<uint64_t>(seed)};
    const SamplerSettings other{.temperature = 1, .seed = static_cast<uint64_t>(seed + kSeeds)};
    ++plain[Answer(model.weights(), {one, Speculation::kOff, thin}, 3).answer[2]];
    ++guessed[Answer(model.weights(), {other, Speculation::kDraft, thin}, 3).answer[2]];
  }
  double chi = 0;  // of two samples of the same size
  int kinds = 0;
  for (int32_t id = 0; id < 24; ++id) {
    const double sum = plain[id] + guessed[id];
    if (sum < 10) continue;
    chi += (plain[id] - guessed[id]) * (plain[id] - guessed[id]) / sum;
    ++kinds;
  }
  EXPECT_GT(kinds, 8);
  EXPECT_LT(chi, kinds + 4 * std::sqrt(2.0 * kinds));
}

TEST(LookUpGuesses, AreWhatFollowedLast) {
  const std::vector<int32_t> seen = {1, 2, 3, 4, 9, 1, 2, 3, 5, 6, 7, 8, 2, 3};
  const auto found = LookUpGuesses(seen, 3);
  EXPECT_EQ(std::vector<int32_t>(found.begin(), found.end()), (std::vector<int32_t>{5, 6, 7}));
  EXPECT_EQ(LookUpGuesses(seen, 100).size(), size_t{6});
  const std::vector<int32_t> longer = {7, 1, 2, 5, 8, 1,
                                       2, 6, 7, 1, 2};  // three agree with the first
  EXPECT_EQ(LookUpGuesses(longer, 1)[0], 5);
  EXPECT_TRUE(LookUpGuesses(std::vector<int32_t>{1, 2, 3, 4}, 3).empty());
  EXPECT_TRUE(LookUpGuesses(std::vector<int32_t>{}, 3).empty());
}

}  // namespace
}  // namespace gemma3n
