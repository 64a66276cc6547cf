// SPDX-License-Identifier: Apache-2.0
// What a prompt's own tokens are worth, against the logits that Engine::WriteLogits writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "gemma3n/batch.h"
#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

using testing::HasSubstr;

class PromptScores : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static GenerateOptions Scored(int64_t max_tokens) {
    GenerateOptions options{
        .max_tokens = max_tokens, .top_logprobs = 2, .raw = true, .prompt_logprobs = true};
    options.sampling.temperature = 0;
    return options;
  }
  // Longer than what is scored at once.
  static std::string LongText() {
    std::string text;
    for (int i = 0; i < 12; ++i) text += "What is " + std::to_string(i) + " plus 4? It is 7. ";
    return text;
  }
  // [ids, vocabulary], which is what follows the header of the file.
  static std::vector<float> LogitsOf(const std::vector<int32_t>& ids) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("prompt_scores_" + std::to_string(getpid()) + ".npy");
    EXPECT_TRUE(engine_->WriteLogits(ids, path));
    std::vector<float> logits(ids.size() * static_cast<size_t>(engine_->facts().vocab_size));
    const auto bytes = static_cast<std::streamoff>(logits.size() * sizeof(float));
    std::ifstream file(path, std::ios::binary);
    file.seekg(-bytes, std::ios::end);
    file.read(reinterpret_cast<char*>(logits.data()), bytes);
    EXPECT_TRUE(file.good());
    std::filesystem::remove(path);
    return logits;
  }
  static void ExpectScoresOf(const GenerateResult& result) {
    const std::vector<int32_t>& ids = result.prompt_token_ids;
    const std::vector<float> logits = LogitsOf(ids);
    const size_t vocab = static_cast<size_t>(engine_->facts().vocab_size);
    ASSERT_EQ(result.prompt_logprobs.size(), ids.size());
    EXPECT_EQ(result.prompt_logprobs[0].logprob, 0);
    EXPECT_TRUE(result.prompt_logprobs[0].likeliest.empty());
    for (size_t i = 1; i < ids.size(); ++i) {
      const std::span<const float> row(logits.data() + (i - 1) * vocab, vocab);
      const double most = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (const float logit : row) sum += std::exp(logit - most);
      const double log_sum = most + std::log(sum);
      EXPECT_EQ(result.prompt_logprobs[i].id, ids[i]);
      EXPECT_EQ(result.prompt_logprobs[i].logprob, row[static_cast<size_t>(ids[i])] - log_sum) << i;
      ASSERT_EQ(result.prompt_logprobs[i].likeliest.size(), 2u);
      EXPECT_EQ(result.prompt_logprobs[i].likeliest[0].second, most - log_sum);
    }
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> PromptScores::engine_;

TEST_F(PromptScores, AreThoseOfTheLogitsAlsoWhereTheSessionHoldsThePrompt) {
  const auto session = engine_->NewSession(1024);
  const std::vector<Turn> turns = {{Role::kUser, {Part(LongText())}}};
  const GenerateResult first = session->Generate(turns, Scored(3));
  ExpectScoresOf(first);
  EXPECT_FALSE(first.token_ids.empty());
  const GenerateResult again = session->Generate(turns, Scored(0));
  ExpectScoresOf(again);
  EXPECT_EQ(again.timings.cached_tokens, 0);
  EXPECT_TRUE(again.token_ids.empty());
  EXPECT_EQ(again.finish_reason, FinishReason::kLength);
  // The answer is the one without them.
  GenerateOptions plain = Scored(3);
  plain.prompt_logprobs = false;
  EXPECT_EQ(session->Generate(turns, plain).token_ids, first.token_ids);
}

TEST_F(PromptScores, AreTheSameInABatch) {
  const auto one = engine_->NewSession(1024), other = engine_->NewSession(1024);
  const std::vector<Turn> turns = {{Role::kUser, {Part(LongText())}}};
  const auto batch = Batch::New();
  GenerateResult result;
  GenerateOptions answers = Scored(40);
  answers.prompt_logprobs = false;
  batch->Add(*one, {.turns = {{Role::kUser, {Part("Once")}}}, .options = answers});
  batch->Add(*other, {.turns = turns, .options = Scored(0), .on_done = [&](auto done, auto) {
                        result = std::move(done);
                      }});
  while (batch->Advance()) {
  }
  ExpectScoresOf(result);
}

TEST_F(PromptScores, OfIdsAreThoseOfIds) {
  GenerateOptions options = Scored(0);
  options.raw_ids = engine_->Tokenize("<start_of_turn>user\nHello", true, true);
  const GenerateResult result = engine_->NewSession(64)->Generate({}, options);
  EXPECT_EQ(result.prompt_token_ids, options.raw_ids);
  ExpectScoresOf(result);
  options.raw_ids.resize(1);
  ExpectScoresOf(engine_->NewSession(64)->Generate({}, options));
}

TEST_F(PromptScores, HostileP04IdsAreOfTheVocabularyAndNotOfMedia) {
  const auto session = engine_->NewSession(64);
  const auto trouble = [&](const std::vector<int32_t>& ids) {
    GenerateOptions options = Scored(0);
    options.raw_ids = ids;
    try {
      session->Generate({}, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(trouble({2, -1}), HasSubstr("found -1"));
  EXPECT_THAT(trouble({static_cast<int32_t>(engine_->facts().vocab_size)}), HasSubstr("found"));
  for (const char* token : {"<image_soft_token>", "<start_of_image>", "<audio_soft_token>"}) {
    const std::vector<int32_t> ids = engine_->Tokenize(token, true, false);
    ASSERT_EQ(ids.size(), 1u);
    EXPECT_THAT(trouble({2, ids[0]}), HasSubstr("pictures and sound")) << token;
  }
}

TEST_F(PromptScores, TheTokenThatEndsAnAnswerIsScored) {
  GenerateOptions options = Scored(50);
  options.raw = options.prompt_logprobs = false;
  const GenerateResult result =
      engine_->NewSession(256)->Generate({{Role::kUser, {Part("What is 3 plus 4?")}}}, options);
  ASSERT_EQ(result.finish_reason, FinishReason::kStop);
  ASSERT_TRUE(result.end_logprob);
  EXPECT_EQ(result.end_logprob->id, result.end_logprob->likeliest.at(0).first);
  EXPECT_EQ(engine_->Piece(result.end_logprob->id), "<end_of_turn>");
  options.max_tokens = 1;
  EXPECT_FALSE(engine_->NewSession(256)
                   ->Generate({{Role::kUser, {Part("Repeat: boat white Hugo")}}}, options)
                   .end_logprob);
}

TEST_F(PromptScores, EachTokenIsToldBeforeItsText) {
  GenerateOptions options = Scored(6);
  std::vector<int32_t> told;
  std::vector<size_t> told_by_then;  // at each text; of the prompt it is all
  options.on_logprob = [&](const TokenLogprob& token) { told.push_back(token.id); };
  const GenerateResult result = engine_->NewSession(64)->Generate(
      {{Role::kUser, {Part("What is")}}}, options, [&](const std::string&) {
        told_by_then.push_back(told.size());
        return true;
      });
  ASSERT_FALSE(told.empty());
  const size_t prompt = result.prompt_token_ids.size();
  ASSERT_EQ(told.size(), prompt + result.token_ids.size());
  for (size_t i = 0; i < result.token_ids.size(); ++i) {
    EXPECT_EQ(told_by_then.at(i), prompt + i + 1);
  }
  std::vector<int32_t> expected = result.prompt_token_ids;
  expected.insert(expected.end(), result.token_ids.begin(), result.token_ids.end());
  EXPECT_EQ(told, expected);
}

class PromptEmbedding : public PromptScores {
 protected:
  static GenerateOptions Embedded() {
    return {.max_tokens = 0, .raw = true, .prompt_embedding = true};
  }
};

// tests/cli/server_embeddings_test.py compares the numbers with the reference's.
TEST_F(PromptEmbedding, IsTheSameHoweverItIsRead) {
  const auto session = engine_->NewSession(1024), other = engine_->NewSession(1024);
  const std::vector<Turn> turns = {{Role::kUser, {Part(LongText())}}};
  const GenerateResult alone = session->Generate(turns, Embedded());
  EXPECT_EQ(alone.prompt_embedding.size(), static_cast<size_t>(engine_->facts().hidden_size));
  EXPECT_TRUE(alone.token_ids.empty() && alone.text.empty());
  const GenerateResult again = session->Generate(turns, Embedded());
  EXPECT_EQ(again.timings.cached_tokens, 0);
  EXPECT_EQ(again.prompt_embedding, alone.prompt_embedding);
  GenerateOptions ids = Embedded();
  ids.raw_ids = alone.prompt_token_ids;
  EXPECT_EQ(session->Generate({}, ids).prompt_embedding, alone.prompt_embedding);

  const auto batch = Batch::New({.reading_positions = 7});
  GenerateOptions plain{.max_tokens = 40, .raw = true};
  plain.sampling.temperature = 0;
  std::vector<float> beside;
  batch->Add(*session, {.turns = {{Role::kUser, {Part("Once")}}}, .options = plain});
  batch->Add(*other, {.turns = turns, .options = Embedded(), .on_done = [&](auto done, auto) {
                        beside = std::move(done.prompt_embedding);
                      }});
  while (batch->Advance()) {
  }
  EXPECT_EQ(beside, alone.prompt_embedding);
  // What was read is there for an answer.
  EXPECT_GT(other->Generate(turns, plain).timings.cached_tokens, 100);
}

TEST_F(PromptEmbedding, IsOfNoAnswer) {
  const auto session = engine_->NewSession(256);
  const std::vector<Turn> turns = {{Role::kUser, {Part("Once")}}};
  GenerateOptions options = Embedded();
  options.max_tokens = 1;
  EXPECT_THROW(session->Generate(turns, options), Error);
  options = Embedded();
  options.prompt_logprobs = true;
  options.top_logprobs = 0;
  EXPECT_THROW(session->Generate(turns, options), Error);
}

}  // namespace
}  // namespace gemma3n
