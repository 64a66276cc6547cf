// SPDX-License-Identifier: Apache-2.0
// The worker on the embedded model: whose turn it is, which session, and what becomes of those who
// leave.
#include "server/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/refusal.h"

namespace gemma3n::server {
namespace {

using std::chrono::seconds;

class WorkerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static Ask Text(const std::string& text, int64_t max_tokens = 24) {
    Ask ask{.turns = {{Role::kUser, {Part(text)}}}};
    ask.options.sampling.temperature = 0;
    ask.options.max_tokens = max_tokens;
    return ask;
  }
  static Ask Endless(const std::string& text) {
    Ask ask = Text(text, 2000);
    for (const char* end : {"<end_of_turn>", "<eos>"}) {
      for (int32_t id : engine_->Tokenize(end, true, false)) {
        ask.options.sampling.logit_bias[id] = -1000;
      }
    }
    return ask;
  }
  // The ends of all its asks.
  static std::vector<GenerateResult> Ends(Answering& answering, size_t count = 1) {
    std::vector<GenerateResult> results;
    while (results.size() < count) {
      std::optional<AnswerEvent> event = answering.Next(seconds(60));
      if (!event) throw std::runtime_error("nothing came");
      if (event->error != nullptr) std::rethrow_exception(event->error);
      if (event->result) results.push_back(std::move(*event->result));
    }
    return results;
  }
  static int64_t Cached(Worker& worker, const std::string& text, const std::string& owner) {
    return Ends(*worker.Submit({Text(text)}, owner))[0].timings.cached_tokens;
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> WorkerTest::engine_;

constexpr char kSum[] = "What is 3 plus 4?", kOpposite[] = "What is the opposite of left?";

TEST_F(WorkerTest, AnswersAsASessionDoes) {
  Worker worker(engine_, {});
  const GenerateResult alone =
      engine_->NewSession()->Generate(Text(kSum).turns, Text(kSum).options);
  const std::shared_ptr<Answering> answering = worker.Submit({Text(kSum)}, "");
  std::string text;
  std::optional<GenerateResult> result;
  while (!result) {
    AnswerEvent event = answering->Next(seconds(60)).value();
    text += event.text;
    result = std::move(event.result);
  }
  EXPECT_EQ(result->token_ids, alone.token_ids);
  EXPECT_EQ(text, alone.text);
  EXPECT_TRUE(worker.IsIdle());
}

TEST_F(WorkerTest, AsksOfOneRequestReadTheirPromptOnce) {
  Worker worker(engine_, {.sessions = 2});
  const auto results = Ends(*worker.Submit({Text(kSum), Text(kSum), Text(kOpposite)}, ""), 3);
  EXPECT_EQ(results[0].text, "7");
  EXPECT_EQ(results[1].text, "7");
  EXPECT_EQ(results[2].text, "right");
  // All but the last token, whose logits are wanted.
  EXPECT_EQ(results[1].timings.prefill_tokens, 1);
}

TEST_F(WorkerTest, AConversationFindsItsSession) {
  Worker worker(engine_, {.sessions = 3});
  const std::vector<std::string> texts = {"Repeat: boat white Hugo", "Last word: bag book snow",
                                          kOpposite};
  for (const std::string& text : texts) Cached(worker, text, "");
  for (const std::string& text : {texts[1], texts[0], texts[2], texts[0], texts[2]}) {
    Ask ask = Text(text);
    ask.turns.push_back({Role::kModel, {Part("yes")}});
    ask.turns.push_back({Role::kUser, {Part(kSum)}});
    const auto prompt = static_cast<int64_t>(engine_->PromptIds(Text(text).turns, {}).size());
    EXPECT_GE(Ends(*worker.Submit({ask}, ""))[0].timings.cached_tokens, prompt - 1) << text;
  }
}

TEST_F(WorkerTest, OwnersShareNoSession) {
  Worker worker(engine_, {.sessions = 1});
  EXPECT_EQ(Cached(worker, kSum, "a"), 0);
  EXPECT_GT(Cached(worker, kSum, "a"), 0);
  EXPECT_EQ(Cached(worker, kSum, "b"), 0);
  EXPECT_EQ(Cached(worker, kSum, "a"), 0);
}

TEST_F(WorkerTest, MoreThanMayWaitAreRefused) {
  Worker worker(engine_, {.sessions = 1, .waiting = 1});
  const auto first = worker.Submit({Endless("x")}, "");
  ASSERT_TRUE(first->Next(seconds(60)));
  const auto second = worker.Submit({Text(kSum)}, "");
  try {
    worker.Submit({Text(kSum)}, "");
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kBusy);
  }
  second->Cancel();  // who leaves makes room at once
  const auto third = worker.Submit({Text(kSum)}, "");
  first->Cancel();
  EXPECT_EQ(Ends(*third)[0].text, "7");
  EXPECT_EQ(worker.counts().cancelled, 2u);
}

TEST_F(WorkerTest, APromptWithoutRoomForAnAnswerIsRefused) {
  Worker worker(engine_, {.context = 64});
  std::string words;
  for (int i = 0; i < 100; ++i) words += " word";
  try {
    worker.Submit({Text(words)}, "");
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kContextLength);
    EXPECT_THAT(refusal.what(), testing::HasSubstr("in a context of 64"));
  }
}

TEST_F(WorkerTest, AClipThatIsTooLongIsRefused) {
  Worker worker(engine_, {});
  AudioClip clip;
  clip.samples.resize(16000 * 5);
  Ask ask = Text("x");
  ask.turns[0].parts.push_back(Part(std::move(clip)));
  try {
    worker.Submit({ask}, "");
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kInvalidAudio);
  }
}

TEST_F(WorkerTest, ARequestThatFailsEndsAlone) {
  Worker worker(engine_, {.sessions = 2});
  Ask both = Text(kSum);  // which do not go together
  both.options.speculation = Speculation::kLookup;
  both.options.size_change = SizeChange::kRereadBehind;
  const auto wrong = worker.Submit({both}, "");
  const auto right = worker.Submit({Text(kSum)}, "");
  try {
    Ends(*wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
  EXPECT_EQ(Ends(*right)[0].text, "7");
  EXPECT_TRUE(worker.IsIdle());
}

TEST_F(WorkerTest, AnAnswerWhoseTimeIsUpEndsWithWhatItHas) {
  Worker worker(engine_, {.answer_seconds = 0.05});
  const auto results = Ends(*worker.Submit({Endless("x"), Endless("y")}, ""), 2);
  for (const GenerateResult& result : results) {
    EXPECT_EQ(result.finish_reason, FinishReason::kLength);
    EXPECT_LT(result.token_ids.size(), 2000u);
  }
  EXPECT_EQ(worker.counts().cancelled, 0u);
}

TEST_F(WorkerTest, EndsAllWhenItIsTold) {
  Worker worker(engine_, {.sessions = 1, .waiting = 2});
  const auto first = worker.Submit({Endless("x")}, "");
  ASSERT_TRUE(first->Next(seconds(60)));
  const auto waits = worker.Submit({Text(kSum)}, "");
  worker.StopTaking();
  EXPECT_THROW(worker.Submit({Text(kSum)}, ""), Refusal);
  worker.EndAll();
  EXPECT_EQ(Ends(*first)[0].finish_reason, FinishReason::kLength);
  EXPECT_THROW(Ends(*waits), Refusal);
}

TEST_F(WorkerTest, MayGoWhileItWorks) {
  std::shared_ptr<Answering> answering;
  {
    Worker worker(engine_, {.sessions = 1});
    answering = worker.Submit({Endless("x")}, "");
    ASSERT_TRUE(answering->Next(seconds(60)));
  }
  EXPECT_EQ(Ends(*answering)[0].finish_reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace gemma3n::server
