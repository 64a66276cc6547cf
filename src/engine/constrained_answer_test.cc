// SPDX-License-Identifier: Apache-2.0
// Answers that a constraint holds, on the embedded model.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "checkpoint/json_value.h"
#include "gemma3n/batch.h"
#include "gemma3n/constraint.h"
#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

constexpr char kPerson[] = R"({"type": "object", "required": ["name", "age"], "properties":
    {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0,
     "maximum": 150}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}})";

class ConstrainedAnswer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<Turn> Ask() { return {{Role::kUser, {Part("What is 7 plus 5?")}}}; }
  static GenerateOptions Held(std::shared_ptr<const Constraint> constraint, double temperature = 0,
                              uint64_t seed = 1) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.sampling.seed = seed;
    options.max_tokens = 300;
    options.constraint = std::move(constraint);
    return options;
  }
  static GenerateResult Answer(const GenerateOptions& options) {
    return engine_->NewSession(512)->Generate(Ask(), options);
  }

  // What of an answer is the same to the last bit.
  static void ExpectSame(const GenerateResult& a, const GenerateResult& b) {
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.token_ids, b.token_ids);
    EXPECT_EQ(a.finish_reason, b.finish_reason);
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> ConstrainedAnswer::engine_;

TEST_F(ConstrainedAnswer, IsOfTheSchemaGreedyAndDrawn) {
  const auto constraint = Constraint::FromJsonSchema(kPerson);
  for (int seed = 0; seed < 20; ++seed) {
    const GenerateResult result = Answer(Held(constraint, seed == 0 ? 0 : 2, seed));
    ASSERT_EQ(result.finish_reason, FinishReason::kStop) << result.text;
    const JsonValue value = JsonValue::Parse(result.text, "answer");
    EXPECT_FALSE(value["name"].String().size() > 48);
    EXPECT_GE(value["age"].Int(0, 150), 0);
    for (const auto& [key, member] : value.Members()) {
      EXPECT_TRUE(key == "name" || key == "age" || key == "tags") << result.text;
    }
  }
}

TEST_F(ConstrainedAnswer, S06_AnAnswerThatIsCutIsAValidBeginning) {
  const auto constraint = Constraint::FromJsonSchema(kPerson);
  GenerateOptions options = Held(constraint, 2, 5);
  const std::string whole = Answer(options).text;
  for (int64_t tokens : {1, 3, 7}) {
    options.max_tokens = tokens;
    const GenerateResult result = Answer(options);
    EXPECT_EQ(result.finish_reason, FinishReason::kLength);
    EXPECT_EQ(whole.substr(0, result.text.size()), result.text);
  }
}

TEST_F(ConstrainedAnswer, EndsWhereNothingCanFollow) {
  const auto words = Constraint::OneOf({"yes", "no"});
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const GenerateResult result = Answer(Held(words, 3, seed));
    EXPECT_TRUE(result.text == "yes" || result.text == "no") << result.text;
    EXPECT_EQ(result.finish_reason, FinishReason::kStop);
  }
}

TEST_F(ConstrainedAnswer, LikeliestAmongThoseAllowed) {
  // top_k and top_p look at what is allowed: 1 of those, not of all.
  GenerateOptions greedy = Held(Constraint::FromJsonSchema(kPerson));
  const GenerateResult expected = Answer(greedy);
  greedy.sampling.temperature = 1;
  greedy.sampling.top_k = 1;
  ExpectSame(Answer(greedy), expected);
  greedy.sampling.top_k = 0;
  greedy.sampling.top_p = 1e-6;
  ExpectSame(Answer(greedy), expected);
}

TEST_F(ConstrainedAnswer, BatchesAndSizesAndCachedPromptsGiveTheSame) {
  const auto constraint = Constraint::FromJsonSchema(kPerson);
  std::vector<GenerateOptions> options = {Held(constraint), Held(constraint, 2, 7),
                                          Held(Constraint::JsonObject(), 1.5, 9),
                                          Held(nullptr, 1, 3)};
  for (GenerateOptions& each : options) each.max_tokens = 60;
  const auto batch = Batch::New({});
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<GenerateResult> results(options.size());
  for (size_t i = 0; i < options.size(); ++i) {
    sessions.push_back(engine_->NewSession(512));
    batch->Add(*sessions[i], {.turns = Ask(),
                              .options = options[i],
                              .on_done = [&results, i](GenerateResult result, std::exception_ptr) {
                                results[i] = std::move(result);
                              }});
  }
  while (batch->Advance()) {
  }
  for (size_t i = 0; i < options.size(); ++i) {
    ExpectSame(results[i], Answer(options[i]));
    ExpectSame(sessions[i]->Generate(Ask(), options[i]), results[i]);
  }
}

TEST_F(ConstrainedAnswer, HoldsWhileTheSizeChanges) {
  for (SizeChange change :
       {SizeChange::kReread, SizeChange::kKeepCache, SizeChange::kRereadBehind}) {
    GenerateOptions options = Held(Constraint::FromJsonSchema(kPerson), 2, 4);
    options.size_change = change;
    options.elastic = ElasticOptions{.tokens_per_second = 1e9};
    const GenerateResult result = Answer(options);
    ASSERT_EQ(result.finish_reason, FinishReason::kStop);
    EXPECT_GE(JsonValue::Parse(result.text, "answer")["age"].Int(0, 150), 0);
  }
}

TEST_F(ConstrainedAnswer, FreeTextIsAsWithoutAConstraint) {
  const auto calls = Constraint::ToolCalls({{"now", ""}}, {.required = false});
  GenerateOptions held = Held(calls), free = Held(nullptr);
  held.max_tokens = free.max_tokens = 40;
  ExpectSame(Answer(held), Answer(free));
}

TEST_F(ConstrainedAnswer, CallsAreCalls) {
  const auto calls = Constraint::ToolCalls({{"now", ""}, {"add", R"({"type": "object", "required":
      ["n"], "properties": {"n": {"type": "integer"}}})"}},
                                           {.parallel = false});
  const GenerateResult result = Answer(Held(calls, 1.5, 2));
  const JsonValue list = JsonValue::Parse(result.text, "answer");
  ASSERT_EQ(list.size(), 1u);
  const std::string name = list.Items()[0]["name"].String();
  EXPECT_TRUE(name == "now" || name == "add");
  EXPECT_TRUE(list.Items()[0]["parameters"].IsObject());
}

TEST_F(ConstrainedAnswer, hostile_J10_AllAllowedTokensBanned) {
  GenerateOptions options = Held(Constraint::OneOf({"yes"}));
  // All but the one that ends an answer, and what begins with another letter.
  for (int32_t id = 0; id < engine_->facts().vocab_size; ++id) {
    const bool begins = engine_->Detokenize(std::vector<int32_t>{id}, true).substr(0, 1) == "y";
    if (begins) options.sampling.logit_bias[id] = -std::numeric_limits<double>::infinity();
  }
  try {
    Answer(options);
    ADD_FAILURE() << "answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRequest);
  }
}

TEST_F(ConstrainedAnswer, NotTogetherWithSpeculation) {
  GenerateOptions options = Held(Constraint::JsonObject());
  options.speculation = Speculation::kLookup;
  EXPECT_THROW(Answer(options), Error);
}

TEST_F(ConstrainedAnswer, PenaltiesAreTheSameWithSpeculationAndInBatches) {
  GenerateOptions options = Held(nullptr, 1, 11);
  options.max_tokens = 60;
  options.sampling.presence_penalty = 0.7;
  options.sampling.frequency_penalty = 0.3;
  options.sampling.repetition_penalty = 1.2;
  options.sampling.repetition_window = 16;
  options.sampling.typical_p = 0.9;
  const GenerateResult plain = Answer(options);
  for (Speculation speculation : {Speculation::kLookup, Speculation::kDraft}) {
    options.speculation = speculation;
    ExpectSame(Answer(options), plain);
  }
}

TEST_F(ConstrainedAnswer, hostile_J07_PenaltiesHaveRanges) {
  const auto refuses = [&](auto change) {
    GenerateOptions options = Held(nullptr);
    change(options.sampling);
    EXPECT_THROW(Answer(options), Error);
  };
  refuses([](SamplingOptions& s) { s.typical_p = -0.01; });
  refuses([](SamplingOptions& s) { s.typical_p = 1.01; });
  refuses([](SamplingOptions& s) { s.repetition_window = -2; });
  refuses([](SamplingOptions& s) { s.presence_penalty = 2.01; });
  refuses([](SamplingOptions& s) { s.frequency_penalty = -2.01; });
  refuses([](SamplingOptions& s) { s.presence_penalty = std::nan(""); });
}

}  // namespace
}  // namespace gemma3n
