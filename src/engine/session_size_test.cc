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
  // An answer of all 24 tokens, whatever the model would say.
  static GenerateOptions EndlessAt(const std::string& size) {
    GenerateOptions options = At(size);
    for (const char* end : {"<end_of_turn>", "<eos>"}) {
      for (int32_t id : engine_->Tokenize(end, /*parse_control_tokens=*/true, /*add_bos=*/false)) {
        options.sampling.logit_bias[id] = -1000;
      }
    }
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
  keeps.size_change = SizeChange::kKeepCache;
  EXPECT_GT(session->Generate(Turns(kText), keeps, nullptr, nullptr).timings.cached_tokens, 5);
  const GenerateResult exact = session->Generate(Turns(kText), At(kLower), nullptr, nullptr);
  EXPECT_EQ(exact.timings.cached_tokens, 0);
  EXPECT_EQ(exact.token_ids, Fresh(kText, At(kLower)).token_ids);
}

// Another one, long enough to tell how fast reading is.
std::vector<Turn> OtherConversation() {
  std::string words;
  for (int i = 0; i < 80; ++i) words += " one";
  return {{Role::kUser, {Part("Say:" + words)}}};
}

// A conversation of some 150 positions, and what is asked next.
std::vector<Turn> LongConversation() {
  std::string words;
  for (int i = 0; i < 20; ++i) words += " red blue green";
  return {{Role::kUser, {Part("Copy:" + words)}},
          {Role::kModel, {Part("red blue green")}},
          {Role::kUser, {Part("Copy: red blue green red blue green red blue green")}}};
}

TEST_F(SessionSize, TheOldSizeAnswersUntilTheNewOneHasReadAgain) {
  const std::vector<Turn> turns = LongConversation();
  const auto session = engine_->NewSession(512);
  const GenerateOptions full = EndlessAt("full");
  session->Generate({turns[0]}, full, nullptr, nullptr);
  GenerateOptions behind = EndlessAt(kLower);
  behind.size_change = SizeChange::kRereadBehind;
  std::vector<SizeSwitch> told;
  behind.on_size_switch = [&](const SizeSwitch& change) { told.push_back(change); };
  const GenerateResult found = session->Generate(turns, behind, nullptr, nullptr);
  EXPECT_GT(found.timings.cached_tokens, 60);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].from, "full");
  EXPECT_EQ(told[0].to, kLower);
  EXPECT_EQ(found.size_switches.size(), 1u);
  // Every 32 positions a token, of the conversation and of what the answer has added.
  const int64_t prompt = static_cast<int64_t>(found.prompt_token_ids.size());
  const int64_t takes_over = (prompt + 31 + 6) / 32;
  EXPECT_NEAR(static_cast<double>(told[0].token), static_cast<double>(takes_over), 1);
  EXPECT_EQ(found.timings.reread_tokens, prompt + told[0].token);
  // Up to there the old size's tokens, and a token that it chose.
  const GenerateResult old = engine_->NewSession(512)->Generate(turns, full, nullptr, nullptr);
  const size_t same = static_cast<size_t>(told[0].token) + 1;
  ASSERT_GT(found.token_ids.size(), same);
  for (size_t i = 0; i < same; ++i) EXPECT_EQ(found.token_ids[i], old.token_ids[i]);
  // After it, keys and values are as if the session had never known another size.
  const GenerateResult after = session->Generate(turns, EndlessAt(kLower), nullptr, nullptr);
  EXPECT_EQ(after.timings.cached_tokens, prompt - 1);
  EXPECT_EQ(
      after.token_ids,
      engine_->NewSession(512)->Generate(turns, EndlessAt(kLower), nullptr, nullptr).token_ids);
}

TEST_F(SessionSize, WhatAShortAnswerLeftUnreadIsReadBehindTheNext) {
  const std::vector<Turn> turns = LongConversation();
  const auto session = engine_->NewSession(512);
  session->Generate(turns, EndlessAt("full"), nullptr, nullptr);
  GenerateOptions behind = EndlessAt(kLower);
  behind.size_change = SizeChange::kRereadBehind;
  behind.max_tokens = 3;
  EXPECT_TRUE(session->Generate(turns, behind, nullptr, nullptr).size_switches.empty());
  // Who wants it now has less to read.
  const GenerateResult exact = session->Generate(turns, EndlessAt(kLower), nullptr, nullptr);
  EXPECT_EQ(exact.timings.cached_tokens, 2 * 32);  // the last token ends the answer
  EXPECT_EQ(
      exact.token_ids,
      engine_->NewSession(512)->Generate(turns, EndlessAt(kLower), nullptr, nullptr).token_ids);
  // A conversation that becomes another one is not mixed up with what is being read.
  behind.size = Size("full");
  session->Generate(turns, behind, nullptr, nullptr);
  const GenerateResult other = session->Generate(Turns(kText), EndlessAt("full"), nullptr, nullptr);
  EXPECT_EQ(other.token_ids, Fresh(kText, EndlessAt("full")).token_ids);
}

TEST_F(SessionSize, WhatIsBeingReadMayBecomeASizeThatSharesIt) {
  const std::vector<Turn> turns = LongConversation();
  const std::string upper = std::string(kLower) + " ffn=16@6-9";
  // An answer at `size`, for which reading was begun for kLower.
  const auto answer = [&](Session& session, const std::string& size) {
    session.Generate(turns, EndlessAt("full"), nullptr, nullptr);
    GenerateOptions behind = EndlessAt(kLower);
    behind.size_change = SizeChange::kRereadBehind;
    behind.max_tokens = 2;
    session.Generate(turns, behind, nullptr, nullptr);
    behind.size = Size(size);
    behind.max_tokens = 24;
    return session.Generate(turns, behind, nullptr, nullptr);
  };
  const auto session = engine_->NewSession(512), other = engine_->NewSession(512);
  const GenerateResult found = answer(*session, upper), lower = answer(*other, kLower);
  ASSERT_EQ(found.size_switches.size(), 1u);
  EXPECT_EQ(found.size_switches[0].to, upper);
  // They part where the new size takes over.
  ASSERT_EQ(lower.size_switches.size(), 1u);
  EXPECT_EQ(lower.size_switches[0].token, found.size_switches[0].token);
  EXPECT_NE(found.token_ids, lower.token_ids);
  const GenerateResult again = session->Generate(turns, EndlessAt(upper), nullptr, nullptr);
  EXPECT_GT(again.timings.cached_tokens, 60);
  EXPECT_EQ(
      again.token_ids,
      engine_->NewSession(512)->Generate(turns, EndlessAt(upper), nullptr, nullptr).token_ids);
}

TEST_F(SessionSize, NothingIsKeptOfALayerThatWasLeftOut) {
  // Another conversation stood in the slots of layer 1, which the reading size leaves out.
  const auto answer = [&](const std::string& before) {
    const auto session = engine_->NewSession(512);
    if (!before.empty()) session->Generate(Turns(before), At("full"), nullptr, nullptr);
    session->Generate(Turns(kText), At("skip=1"), nullptr, nullptr);
    GenerateOptions keeps = At("full");
    keeps.size_change = SizeChange::kKeepCache;
    return session->Generate(Turns(kText), keeps, nullptr, nullptr);
  };
  const GenerateResult alone = answer(""), after = answer("Say: hello hello hello hello hello");
  EXPECT_EQ(alone.timings.cached_tokens, 0);
  EXPECT_EQ(alone.token_ids, after.token_ids);
  EXPECT_EQ(alone.token_ids, Fresh(kText, At("full")).token_ids);
}

TEST_F(SessionSize, ShortElasticAnswersGoOnReading) {
  std::vector<Turn> turns = LongConversation();
  GenerateOptions soon = EndlessAt("full");
  soon.elastic = ElasticOptions{
      .first_token_seconds = 1e-9, .reacts_to_system = false, .ladder = {Size("ffn=128")}};
  soon.size_change = SizeChange::kRereadBehind;
  soon.max_tokens = 3;
  const auto session = engine_->NewSession(512);
  session->Generate(OtherConversation(), soon, nullptr, nullptr);
  int64_t grown = 0;
  for (int i = 0; i < 6; ++i) {
    for (const SizeSwitch& change :
         session->Generate(turns, soon, nullptr, nullptr).size_switches) {
      grown += change.to == "full";
    }
  }
  EXPECT_EQ(grown, 1);
}

TEST_F(SessionSize, AnAnswerThatMustComeSoonIsBegunSmaller) {
  std::vector<Turn> turns = LongConversation();
  turns.erase(turns.begin() + 1, turns.end());
  GenerateOptions soon = EndlessAt("full");
  soon.elastic = ElasticOptions{.first_token_seconds = 1e-9,
                                .reacts_to_system = false,
                                .ladder = {Size(kLower), Size("ffn=128")}};
  const auto session = engine_->NewSession(512);
  // The first answer tells how long reading takes.
  session->Generate(OtherConversation(), soon, nullptr, nullptr);
  const GenerateResult found = session->Generate(turns, soon, nullptr, nullptr);
  ASSERT_FALSE(found.size_switches.empty());
  EXPECT_EQ(found.size_switches[0].token, 0);
  EXPECT_EQ(found.size_switches[0].to, "ffn=128");
  EXPECT_THAT(found.size_switches[0].why, testing::HasSubstr("first token"));
  EXPECT_EQ(
      found.token_ids,
      engine_->NewSession(512)->Generate(turns, EndlessAt("ffn=128"), nullptr, nullptr).token_ids);
  // Read again behind, it ends at the size that was asked for.
  soon.size_change = SizeChange::kRereadBehind;
  const auto behind = engine_->NewSession(512);
  behind->Generate(OtherConversation(), soon, nullptr, nullptr);
  const GenerateResult grown = behind->Generate(turns, soon, nullptr, nullptr);
  ASSERT_EQ(grown.size_switches.size(), 2u);
  EXPECT_EQ(grown.size_switches[1].to, "full");
  EXPECT_GT(grown.size_switches[1].token, 2);
  const GenerateResult after = behind->Generate(turns, EndlessAt("full"), nullptr, nullptr);
  EXPECT_GT(after.timings.cached_tokens, 60);
  EXPECT_EQ(
      after.token_ids,
      engine_->NewSession(512)->Generate(turns, EndlessAt("full"), nullptr, nullptr).token_ids);
}

TEST_F(SessionSize, MemoryThatIsWantedLimitsTheSize) {
  GenerateOptions small = At("full");
  small.elastic = ElasticOptions{
      .memory_bytes = 1, .reacts_to_system = false, .ladder = {Size(kLower), Size("ffn=128")}};
  const auto session = engine_->NewSession(512);
  const GenerateResult found = session->Generate(Turns(kText), small, nullptr, nullptr);
  ASSERT_EQ(found.size_switches.size(), 1u);
  EXPECT_EQ(found.size_switches[0].to, "ffn=128");
  EXPECT_THAT(found.size_switches[0].why, testing::HasSubstr("of memory wanted"));
  EXPECT_EQ(found.token_ids, Fresh(kText, At("ffn=128")).token_ids);
  small.elastic->memory_bytes = int64_t{1} << 40;
  EXPECT_TRUE(session->Generate(Turns(kText), small, nullptr, nullptr).size_switches.empty());
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
  GenerateOptions behind = At("full");
  behind.size_change = SizeChange::kRereadBehind;
  behind.speculation = Speculation::kLookup;
  EXPECT_THAT(refusal(behind), testing::HasSubstr("not together"));
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
