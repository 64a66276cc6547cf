// SPDX-License-Identifier: Apache-2.0
// The worker on the embedded model: whose turn it is, which session, and what becomes of those who
// leave.
#include "server/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

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
    std::vector<GenerateResult> results(count);
    for (size_t ended = 0; ended < count;) {
      std::optional<AnswerEvent> event = answering.Next(seconds(60));
      if (!event) throw std::runtime_error("nothing came");
      if (event->error != nullptr) std::rethrow_exception(event->error);
      if (!event->result) continue;
      results.at(count == 1 ? 0 : event->choice) = std::move(*event->result);
      ++ended;
    }
    return results;
  }
  static int64_t Cached(Worker& worker, const std::string& text, const std::string& owner) {
    return Ends(*worker.Submit({Text(text)}, {.owner = owner}))[0].timings.cached_tokens;
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> WorkerTest::engine_;

constexpr char kSum[] = "What is 3 plus 4?", kOpposite[] = "What is the opposite of left?";

TEST_F(WorkerTest, AnswersAsASessionDoes) {
  Worker worker(engine_, {});
  const GenerateResult alone =
      engine_->NewSession()->Generate(Text(kSum).turns, Text(kSum).options);
  const std::shared_ptr<Answering> answering = worker.Submit({Text(kSum)}, {});
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
  Worker worker(engine_, {.sessions = 3});
  const auto results = Ends(*worker.Submit({Text(kSum), Text(kSum), Text(kOpposite)}, {}), 3);
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
    EXPECT_GE(Ends(*worker.Submit({ask}, {}))[0].timings.cached_tokens, prompt - 1) << text;
  }
}

TEST_F(WorkerTest, hostile_A09_OwnersShareNothing) {
  Worker worker(engine_, {.sessions = 1});
  EXPECT_EQ(Cached(worker, kSum, "a"), 0);
  EXPECT_GT(Cached(worker, kSum, "a"), 0);
  EXPECT_EQ(Cached(worker, kSum, "b"), 0);
  EXPECT_GT(Cached(worker, kSum, "a"), 0) << "though another has used the session";
}

TEST_F(WorkerTest, AConversationGoesOnThoughItsSessionIsBusy) {
  Worker worker(engine_, {.sessions = 2});
  const std::string begin = "Repeat: boat white Hugo and bag book snow and river stone bird. ";
  const auto first = worker.Submit({Endless(begin)}, {.owner = "a"});
  ASSERT_TRUE(first->Next(seconds(60)));
  EXPECT_GE(Cached(worker, begin + kSum, "a"), 16) << "though that is read elsewhere";
  EXPECT_EQ(Cached(worker, begin + kSum, "b"), 0);
  Cached(worker, kSum, "b");
  EXPECT_GE(Cached(worker, begin + kSum, "a"), 16) << "though another has used the session";
}

TEST_F(WorkerTest, AsksOfOneRequestAreAnsweredTogether) {
  Worker worker(engine_, {.sessions = 3});
  const auto answering = worker.Submit({Endless("x"), Endless("x"), Endless("x")}, {});
  std::set<size_t> choices;
  while (choices.size() < 3) {
    const std::optional<AnswerEvent> event = answering->Next(seconds(60));
    ASSERT_TRUE(event && !event->result);
    choices.insert(event->choice);
  }
  const auto other = worker.Submit({Text(kSum)}, {.address = "b"});
  EXPECT_EQ(worker.counts().waiting, 1u);
  answering->Cancel();
  EXPECT_EQ(Ends(*other)[0].text, "7");
}

// Prompts are laid out by those who ask, while the worker's thread answers.
TEST_F(WorkerTest, ManyMayAskAtOnce) {
  Worker worker(engine_, {.sessions = 3, .waiting = 100});
  std::vector<std::thread> threads;
  for (int client = 0; client < 6; ++client) {
    threads.emplace_back([&worker, client] {
      for (int i = 0; i < 8; ++i) {
        const bool sum = (client + i) % 2 == 0;
        const auto results = Ends(
            *worker.Submit({Text(sum ? kSum : kOpposite)}, {.address = std::to_string(client)}));
        EXPECT_EQ(results[0].text, sum ? "7" : "right");
        worker.counts();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(worker.IsIdle());
  EXPECT_EQ(worker.counts().answers, 48u);
}

// Whose requests get sessions, in order: each is one of few tokens, and says who had asked.
TEST_F(WorkerTest, SessionsGoRoundBetweenClients) {
  Worker worker(engine_, {.sessions = 1, .waiting = 20});
  const auto first = worker.Submit({Endless("x")}, {.address = "a"});
  ASSERT_TRUE(first->Next(seconds(60)));
  std::mutex mutex;
  std::string order;
  std::vector<std::thread> threads;
  const auto ask = [&](const char* client, std::vector<Ask> asks) {
    const size_t count = asks.size();
    threads.emplace_back(
        [&, client, count, answering = worker.Submit(std::move(asks), {.address = client})] {
          for (size_t i = 0; i < count; ++i) {
            Ends(*answering);
            const std::lock_guard lock(mutex);
            order += client;
          }
        });
  };
  // Each takes long enough that the threads tell of them in order.
  const Ask ask_one = [] {
    Ask one = Endless("x");
    one.options.max_tokens = 60;
    return one;
  }();
  for (int i = 0; i < 3; ++i) ask("a", {ask_one});
  ask("b", {ask_one, ask_one});
  ask("b", {ask_one});
  ask("c", {ask_one});
  EXPECT_EQ(worker.counts().waiting, 6u);
  first->Cancel();
  for (std::thread& thread : threads) thread.join();
  // By turns; of the requests of one client the one that came first goes on first.
  EXPECT_EQ(order, "abcabab");
}

TEST_F(WorkerTest, AClientDoesNotHoldAllSessionsWhileAnotherWaits) {
  Worker worker(engine_, {.sessions = 2, .waiting = 20});
  std::vector<std::shared_ptr<Answering>> many;
  for (int i = 0; i < 6; ++i) many.push_back(worker.Submit({Endless("x")}, {.address = "a"}));
  ASSERT_TRUE(many[0]->Next(seconds(60)) && many[1]->Next(seconds(60)));
  const auto other = worker.Submit({Endless("y")}, {.address = "b"});
  many[0]->Cancel();
  ASSERT_TRUE(other->Next(seconds(60)));
  many[1]->Cancel();
  ASSERT_TRUE(many[2]->Next(seconds(60)));
  EXPECT_EQ(worker.counts().active, 2u);
}

TEST_F(WorkerTest, OneClientCannotFillAllPlaces) {
  Worker worker(engine_, {.sessions = 1, .waiting = 4, .several_clients = true});
  std::vector<std::shared_ptr<Answering>> many;
  many.push_back(worker.Submit({Endless("x")}, {.address = "a"}));
  ASSERT_TRUE(many[0]->Next(seconds(60)));
  for (int i = 0; i < 3; ++i) many.push_back(worker.Submit({Text(kSum)}, {.address = "a"}));
  EXPECT_THROW(worker.Submit({Text(kSum)}, {.address = "a"}), Refusal);
  const auto other = worker.Submit({Text(kSum)}, {.address = "b"});
  EXPECT_THROW(worker.Submit({Text(kSum)}, {.address = "c"}), Refusal);
  many[0]->Cancel();
  EXPECT_EQ(Ends(*other)[0].text, "7");
}

TEST_F(WorkerTest, NoPlaceIsKeptForClientsWhoCannotBeToldApart) {
  Worker worker(engine_, {.sessions = 1, .waiting = 4});
  std::vector<std::shared_ptr<Answering>> many;
  many.push_back(worker.Submit({Endless("x")}, {.address = "a"}));
  ASSERT_TRUE(many[0]->Next(seconds(60)));
  for (int i = 0; i < 4; ++i) many.push_back(worker.Submit({Text(kSum)}, {.address = "a"}));
  EXPECT_THROW(worker.Submit({Text(kSum)}, {.address = "a"}), Refusal);
}

// Before its prompt is read, in the middle of it, and while it is answered.
TEST_F(WorkerTest, WhoLeavesChangesNothingForOthers) {
  const Ask asked = Endless("Repeat: boat white Hugo");
  Ask ask = asked;
  ask.options.max_tokens = 120;
  ask.options.top_logprobs = 1;
  const GenerateResult alone = engine_->NewSession()->Generate(ask.turns, ask.options);
  std::string words;
  for (int i = 0; i < 600; ++i) words += " word";
  Worker worker(engine_, {.sessions = 2});
  const auto stays = worker.Submit({ask}, {.address = "a"});
  ASSERT_TRUE(stays->Next(seconds(60)));
  for (int i = 0; i < 20; ++i) {
    const auto leaves = worker.Submit({i % 2 == 0 ? Endless(words) : Endless("x")}, {});
    leaves->Next(std::chrono::milliseconds(i % 4));
  }
  const GenerateResult found = Ends(*stays)[0];
  EXPECT_EQ(found.token_ids, alone.token_ids);
  ASSERT_EQ(found.logprobs.size(), alone.logprobs.size());
  for (size_t i = 0; i < alone.logprobs.size(); ++i) {
    EXPECT_EQ(found.logprobs[i].logprob, alone.logprobs[i].logprob) << i;
  }
  while (!worker.IsIdle()) std::this_thread::yield();
  EXPECT_EQ(worker.counts().cancelled, 20u);
}

TEST_F(WorkerTest, GivesBackWhatItHoldsAndGoesOn) {
  Worker worker(engine_, {.sessions = 2});
  Cached(worker, kSum, "");
  EXPECT_GT(worker.counts().cache.positions, 0);
  const auto under_way = worker.Submit({Endless("x")}, {});
  ASSERT_TRUE(under_way->Next(seconds(60)));
  worker.Release();
  EXPECT_EQ(Cached(worker, kSum, ""), 0);
  EXPECT_GT(Cached(worker, kSum, ""), 0);
  EXPECT_TRUE(under_way->Next(seconds(60)));
}

TEST_F(WorkerTest, MoreThanMayWaitAreRefused) {
  Worker worker(engine_, {.sessions = 1, .waiting = 1});
  const auto first = worker.Submit({Endless("x")}, {});
  ASSERT_TRUE(first->Next(seconds(60)));
  const auto second = worker.Submit({Text(kSum)}, {});
  try {
    worker.Submit({Text(kSum)}, {});
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kBusy);
  }
  second->Cancel();  // who leaves makes room at once, and would hear of it
  EXPECT_EQ(Ends(*second)[0].finish_reason, FinishReason::kCancelled);
  const auto third = worker.Submit({Text(kSum)}, {});
  first->Cancel();
  EXPECT_EQ(Ends(*third)[0].text, "7");
  EXPECT_EQ(worker.counts().cancelled, 2u);
}

TEST_F(WorkerTest, APromptLongerThanTheContextIsRefused) {
  Worker worker(engine_, {.context = 64});
  std::string words;
  for (int i = 0; i < 100; ++i) words += " word";
  try {
    worker.Submit({Text(words)}, {});
    FAIL();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, Reason::kContextLength);
    EXPECT_THAT(refusal.what(), testing::HasSubstr("more than the context of 64"));
  }
}

TEST_F(WorkerTest, AClipThatIsTooLongIsRefused) {
  Worker worker(engine_, {});
  AudioClip clip;
  clip.samples.resize(16000 * 5);
  Ask ask = Text("x");
  ask.turns[0].parts.push_back(Part(std::move(clip)));
  try {
    worker.Submit({ask}, {});
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
  const auto wrong = worker.Submit({both}, {});
  const auto right = worker.Submit({Text(kSum)}, {});
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
  const auto results = Ends(*worker.Submit({Endless("x"), Endless("y")}, {}), 2);
  for (const GenerateResult& result : results) {
    EXPECT_EQ(result.finish_reason, FinishReason::kLength);
    EXPECT_LT(result.token_ids.size(), 2000u);
  }
  EXPECT_EQ(worker.counts().cancelled, 0u);
}

TEST_F(WorkerTest, EndsAllWhenItIsTold) {
  Worker worker(engine_, {.sessions = 1, .waiting = 2});
  const auto first = worker.Submit({Endless("x")}, {});
  ASSERT_TRUE(first->Next(seconds(60)));
  const auto waits = worker.Submit({Text(kSum)}, {});
  worker.StopTaking();
  EXPECT_THROW(worker.Submit({Text(kSum)}, {}), Refusal);
  worker.EndAll();
  EXPECT_EQ(Ends(*first)[0].finish_reason, FinishReason::kLength);
  EXPECT_THROW(Ends(*waits), Refusal);
}

TEST_F(WorkerTest, ALongWorkLeavesASessionToOthers) {
  Worker worker(engine_, {.sessions = 2, .waiting = 1});
  std::vector<std::shared_ptr<Answering>> pieces;
  for (int i = 0; i < 5; ++i) {  // more than may wait
    pieces.push_back(worker.Submit({Endless("x")}, {}, Patience::kLongWork));
  }
  ASSERT_TRUE(pieces[0]->Next(seconds(60)));
  for (const char* text : {kSum, kOpposite, kSum}) Ends(*worker.Submit({Text(text)}, {}));
  EXPECT_EQ(worker.counts().active, 1u);
  worker.StopTaking();
  EXPECT_THROW(worker.CheckTaking(), Refusal);
  pieces.push_back(worker.Submit({Text(kSum)}, {}, Patience::kLongWork));
  for (int i = 0; i < 5; ++i) pieces[static_cast<size_t>(i)]->Cancel();
  EXPECT_EQ(Ends(*pieces[5])[0].text, "7");
  worker.EndAll();
  EXPECT_THROW(worker.Submit({Text(kSum)}, {}, Patience::kLongWork), Refusal);
}

TEST_F(WorkerTest, ALongWorkGetsItsTurnAmongMany) {
  Worker worker(engine_, {.sessions = 1});
  const auto first = worker.Submit({Endless("x")}, {});
  ASSERT_TRUE(first->Next(seconds(60)));
  std::vector<std::shared_ptr<Answering>> others;
  for (int i = 0; i < 8; ++i) others.push_back(worker.Submit({Text(kSum)}, {}));
  const auto piece = worker.Submit({Text(kOpposite)}, {}, Patience::kLongWork);
  first->Cancel();
  for (const auto& other : others) Ends(*other);
  EXPECT_EQ(Ends(*piece)[0].text, "right");
  EXPECT_GT(piece->waited_ms(), others[2]->waited_ms());
  EXPECT_LT(piece->waited_ms(), others[3]->waited_ms());
}

TEST_F(WorkerTest, ALongWorkPutsNoConversationOutTwice) {
  Worker worker(engine_, {.sessions = 2});
  const auto many = [](const std::string& word) {
    std::string text;
    for (int i = 0; i < 30; ++i) text += word + " ";
    return text;
  };
  Cached(worker, many("red"), {});
  Cached(worker, many("blue"), {});  // used last: it stays
  for (const char* word : {"boat", "snow", "book", "bag"}) {
    Ends(*worker.Submit({Text(many(word))}, {}, Patience::kLongWork));
  }
  EXPECT_GT(Cached(worker, many("blue"), {}), 30);
}

TEST_F(WorkerTest, MayGoWhileItWorks) {
  std::shared_ptr<Answering> answering;
  {
    Worker worker(engine_, {.sessions = 1});
    answering = worker.Submit({Endless("x")}, {});
    ASSERT_TRUE(answering->Next(seconds(60)));
  }
  EXPECT_EQ(Ends(*answering)[0].finish_reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace gemma3n::server
