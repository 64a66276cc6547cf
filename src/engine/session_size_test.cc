// SPDX-License-Identifier: Apache-2.0
// Conversations that change their size, on the embedded model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

class SessionSize : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static ModelSize Size(const std::string& text) { return engine_->ParseSize(text); }
  static GenerateOptions At(const std::string& size) {
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = 24;
    options.size = Size(size);
    return options;
  }
  static std::vector<Turn> Turns(const std::string& text) { return {{Role::kUser, {Part(text)}}}; }
  // By a session that has seen nothing else.
  static GenerateResult Fresh(const std::string& text, const GenerateOptions& options) {
    return engine_->NewSession(512)->Generate(Turns(text), options, nullptr, nullptr);
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> SessionSize::engine_;

constexpr char kText[] = "Copy: red blue green red blue green";
// Nano's layers from 5 on read keys and values of lower ones.
constexpr char kLower[] = "ffn=256", kUpper[] = "ffn=128@6-9";

TEST_F(SessionSize, UpAndBackIsAsNeverSwitched) {
  const auto session = engine_->NewSession(512);
  for (const char* size : {"full", kLower, "full", kUpper, kLower, "full"}) {
    const GenerateResult found = session->Generate(Turns(kText), At(size), nullptr, nullptr);
    EXPECT_EQ(found.token_ids, Fresh(kText, At(size)).token_ids) << size;
  }
}

TEST_F(SessionSize, SizesThatAgreeBelowShareWhatWasRead) {
  const auto session = engine_->NewSession(512);
  session->Generate(Turns(kText), At("full"), nullptr, nullptr);
  const GenerateResult upper = session->Generate(Turns(kText), At(kUpper), nullptr, nullptr);
  EXPECT_GT(upper.timings.cached_tokens, 5);
  EXPECT_EQ(upper.token_ids, Fresh(kText, At(kUpper)).token_ids);
  const GenerateResult lower = session->Generate(Turns(kText), At(kLower), nullptr, nullptr);
  EXPECT_EQ(lower.timings.cached_tokens, 0);
}

TEST_F(SessionSize, KeptKeysAndValuesAreForgottenByWhoWantsThemExact) {
  const auto session = engine_->NewSession(512);
  session->Generate(Turns(kText), At("full"), nullptr, nullptr);
  GenerateOptions keeps = At(kLower);
  keeps.keep_cache = true;
  EXPECT_GT(session->Generate(Turns(kText), keeps, nullptr, nullptr).timings.cached_tokens, 5);
  const GenerateResult exact = session->Generate(Turns(kText), At(kLower), nullptr, nullptr);
  EXPECT_EQ(exact.timings.cached_tokens, 0);
  EXPECT_EQ(exact.token_ids, Fresh(kText, At(kLower)).token_ids);
}

TEST_F(SessionSize, SessionsOfSeveralSizesShareTheWeights) {
  std::vector<std::unique_ptr<Session>> sessions;
  const std::vector<std::string> sizes = {"full", kLower, kUpper};
  for (size_t i = 0; i < sizes.size(); ++i) sessions.push_back(engine_->NewSession(512));
  for (const char* text : {kText, "Say: hello", "Pick the third: a b c d"}) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      EXPECT_EQ(sessions[i]->Generate(Turns(text), At(sizes[i]), nullptr, nullptr).token_ids,
                Fresh(text, At(sizes[i])).token_ids);
    }
  }
}

TEST_F(SessionSize, ElasticAnswersMoveDownAndSaySo) {
  GenerateOptions options = At("full");
  options.elastic = ElasticOptions{.tokens_per_second = 1e9, .reacts_to_system = false};
  std::vector<SizeSwitch> told;
  options.on_size_switch = [&](const SizeSwitch& change) { told.push_back(change); };
  const auto session = engine_->NewSession(512);
  const GenerateResult found = session->Generate(Turns(kText), options, nullptr, nullptr);
  ASSERT_FALSE(found.size_switches.empty());
  EXPECT_EQ(told.size(), found.size_switches.size());
  EXPECT_EQ(told[0].from, "full");
  EXPECT_THAT(told[0].why, testing::HasSubstr("wanted"));
  EXPECT_LE(told[0].token, 4);
  // The rungs shared keys and values: a later answer at full size finds them right.
  const GenerateResult after = session->Generate(Turns(kText), At("full"), nullptr, nullptr);
  EXPECT_GT(after.timings.cached_tokens, 5);
  EXPECT_EQ(after.token_ids, Fresh(kText, At("full")).token_ids);
}

TEST_F(SessionSize, SpeculationChangesNoToken) {
  for (const char* text : {kText, "Say: hello"}) {
    for (double temperature : {0.0, 1.0}) {
      for (const char* size : {"full", kLower}) {
        GenerateOptions options = At(size);
        options.sampling.temperature = temperature;
        options.sampling.seed = 5;
        const GenerateResult plain = Fresh(text, options);
        for (Speculation way : {Speculation::kLookup, Speculation::kDraft, Speculation::kAuto}) {
          options.speculation = way;
          const auto session = engine_->NewSession(512);
          const GenerateResult found = session->Generate(Turns(text), options, nullptr, nullptr);
          EXPECT_EQ(found.token_ids, plain.token_ids);
          EXPECT_EQ(found.text, plain.text);
          EXPECT_EQ(found.finish_reason, plain.finish_reason);
          // And the next turn goes on from what was kept.
          std::vector<Turn> turns = Turns(text);
          turns.push_back({Role::kModel, {Part(found.text)}});
          turns.push_back({Role::kUser, {Part("Say: again")}});
          options.speculation = Speculation::kOff;
          EXPECT_EQ(session->Generate(turns, options, nullptr, nullptr).token_ids,
                    engine_->NewSession(512)->Generate(turns, options, nullptr, nullptr).token_ids);
        }
      }
    }
  }
}

TEST_F(SessionSize, OptionsThatDoNotGoTogetherAreRefused) {
  const auto refusal = [&](const GenerateOptions& options) -> std::string {
    try {
      Fresh(kText, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "";
  };
  GenerateOptions both = At("full");
  both.elastic = ElasticOptions{.tokens_per_second = 5};
  both.speculation = Speculation::kAuto;
  EXPECT_THAT(refusal(both), testing::HasSubstr("not together"));
  GenerateOptions draft = At("full");
  draft.draft = Size(kLower);
  EXPECT_THAT(refusal(draft), testing::HasSubstr("draft: expected a size"));
  GenerateOptions foreign = At("full");
  foreign.size->layers.push_back(77);
  foreign.size->intermediate_size.push_back(1);
  EXPECT_THAT(refusal(foreign), testing::HasSubstr("layer 77"));
  GenerateOptions negative = At("full");
  negative.elastic = ElasticOptions{.tokens_per_second = -1};
  EXPECT_THAT(refusal(negative), testing::HasSubstr("elastic"));
}

}  // namespace
}  // namespace gemma3n
