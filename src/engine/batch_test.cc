// SPDX-License-Identifier: Apache-2.0
// Answers that go on together are those that go on alone, on the embedded model.
#include "gemma3n/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <stdexcept>

#include "gemma3n/convert.h"
#include "gemma3n/engine.h"
#include "gemma3n/media.h"

namespace gemma3n {
namespace {

constexpr char kEval[] = GEMMA3N_SOURCE_DIR "/models/nano/eval/";

class BatchTest : public testing::Test {
 protected:
  struct Done {
    GenerateResult result;
    std::exception_ptr error;
  };

  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<Turn> Text(const std::string& text) { return {{Role::kUser, {Part(text)}}}; }
  static std::vector<Turn> Heard(const std::string& clip) {
    return {
        {Role::kUser,
         {Part(LoadAudio(kEval + clip + ".flac")), "Transcribe the following speech segment."}}};
  }
  static std::vector<Turn> Seen(const std::string& picture) {
    return {{Role::kUser, {Part(LoadImage(kEval + picture)), "How many shapes are there?"}}};
  }
  static GenerateOptions Greedy(int64_t max_tokens = 24) {
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = max_tokens;
    options.top_logprobs = 2;
    return options;
  }
  static GenerateOptions Drawn(uint64_t seed) {
    GenerateOptions options = Greedy();
    options.sampling = {.temperature = 1.3, .top_k = 50, .top_p = 0.98, .seed = seed};
    return options;
  }
  // An answer of all its tokens, whatever the model would say.
  static GenerateOptions Endless(GenerateOptions options) {
    for (const char* end : {"<end_of_turn>", "<eos>"}) {
      for (int32_t id : engine_->Tokenize(end, /*parse_control_tokens=*/true, /*add_bos=*/false)) {
        options.sampling.logit_bias[id] = -1000;
      }
    }
    return options;
  }
  static GenerateResult Alone(const BatchRequest& request, int64_t context = 512) {
    return engine_->NewSession(context)->Generate(request.turns, request.options);
  }
  // Adds the request, by a session of its own.
  void Begin(Batch& batch, BatchRequest request, int64_t context = 512) {
    sessions_.push_back(engine_->NewSession(context));
    Begin(batch, *sessions_.back(), std::move(request));
  }
  void Begin(Batch& batch, Session& session, BatchRequest request) {
    done_.push_back(std::make_unique<std::optional<Done>>());
    request.on_done = [to = done_.back().get()](GenerateResult result, std::exception_ptr error) {
      EXPECT_FALSE(to->has_value()) << "told twice";
      *to = Done{std::move(result), error};
    };
    batch.Add(session, std::move(request));
  }
  const std::optional<Done>& Of(size_t request) const { return *done_[request]; }
  static void ExpectSame(const GenerateResult& found, const GenerateResult& expected) {
    EXPECT_EQ(found.text, expected.text);
    EXPECT_EQ(found.token_ids, expected.token_ids);
    EXPECT_EQ(found.prompt_token_ids, expected.prompt_token_ids);
    EXPECT_EQ(found.finish_reason, expected.finish_reason);
    EXPECT_EQ(found.timings.decode_tokens, expected.timings.decode_tokens);
    EXPECT_EQ(found.timings.prefill_tokens + found.timings.cached_tokens,
              expected.timings.prefill_tokens + expected.timings.cached_tokens);
    ASSERT_EQ(found.logprobs.size(), expected.logprobs.size());
    for (size_t i = 0; i < found.logprobs.size(); ++i) {
      EXPECT_EQ(found.logprobs[i].logprob, expected.logprobs[i].logprob) << i;
      EXPECT_EQ(found.logprobs[i].likeliest, expected.logprobs[i].likeliest) << i;
    }
  }
  void ExpectAsAlone(size_t request, const BatchRequest& asked, int64_t context = 512) {
    ASSERT_TRUE(Of(request)) << request;
    ASSERT_EQ(Of(request)->error, nullptr) << request;
    SCOPED_TRACE("request " + std::to_string(request));
    ExpectSame(Of(request)->result, Alone(asked, context));
  }

  static std::shared_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<std::optional<Done>>> done_;
};
std::shared_ptr<Engine> BatchTest::engine_;

std::string Long(int words) {
  std::string text = "Copy:";
  for (int i = 0; i < words; ++i) text += i % 3 == 0 ? " red" : " blue";
  return text;
}

TEST_F(BatchTest, AnswersAreThoseOfOneByOne) {
  GenerateOptions stops = Endless(Greedy());
  stops.stop = {"e", "zz"};
  const std::vector<BatchRequest> requests = {
      {.turns = Text("Copy: red blue green"), .options = Greedy()},
      {.turns = Heard("speech new voices-0005"), .options = Greedy()},
      {.turns = Text("Copy: one two three"), .options = Endless(Drawn(7))},
      {.turns = Text(Long(100)), .options = Endless(Drawn(8))},
      {.turns = Seen("pictures-0068.png"), .options = Greedy()},
      {.turns = Text("What is 3 + 4?"), .options = stops},
      {.turns = Text("What is 3 + 4?"), .options = Endless(Greedy(1))},
      {.turns = Text("What is 3 + 4?"), .options = Greedy(0)},
  };
  for (int64_t reading : {0, 5, 64}) {
    SCOPED_TRACE("reading " + std::to_string(reading));
    done_.clear();
    const auto batch = Batch::New({.reading_positions = reading});
    for (const BatchRequest& request : requests) Begin(*batch, request);
    EXPECT_EQ(batch->size(), requests.size());
    while (batch->Advance()) {
    }
    for (size_t i = 0; i < requests.size(); ++i) ExpectAsAlone(i, requests[i]);
  }
}

TEST_F(BatchTest, RequestsJoinAndLeaveWhileOthersGoOn) {
  const BatchRequest first{.turns = Text("Copy: red blue"), .options = Endless(Drawn(1))};
  const BatchRequest later{.turns = Text(Long(80)), .options = Endless(Drawn(2))};
  const BatchRequest last{.turns = Text("Copy: green"), .options = Endless(Drawn(3))};
  const auto batch = Batch::New({.reading_positions = 7});
  Begin(*batch, first);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(batch->Advance());
  Begin(*batch, later);
  // While the later one is read, a few positions at a time, the first one goes on to its end.
  while (!Of(0)) ASSERT_TRUE(batch->Advance());
  EXPECT_FALSE(Of(1));
  Begin(*batch, last);
  while (batch->Advance()) {
  }
  ExpectAsAlone(0, first);
  ExpectAsAlone(1, later);
  ExpectAsAlone(2, last);
}

TEST_F(BatchTest, AnAnswerGoesOnWhileAnotherPromptIsRead) {
  const auto batch = Batch::New({.reading_positions = 8});
  int texts = 0;
  Begin(*batch, {.turns = Text("Copy: red"),
                 .options = Endless(Greedy(200)),
                 .on_text = [&](const std::string&) { return ++texts > 0; }});
  while (texts == 0) batch->Advance();
  bool read = false;
  Begin(*batch, {.turns = Text(Long(150)),
                 .options = Greedy(1),
                 .on_progress = [&](const Progress& progress) {
                   read = progress.done == progress.total && progress.total > 0;
                   return true;
                 }});
  const int before = texts;
  while (!read) ASSERT_TRUE(batch->Advance());
  EXPECT_GE(texts - before, 15) << "one for every 8 positions";
}

TEST_F(BatchTest, WhatWouldTakeLongIsReadInFewerPositions) {
  const auto batch = Batch::New({.reading_seconds = 1e-9});
  Begin(*batch, {.turns = Text("Copy: red"), .options = Endless(Greedy(200))});
  std::vector<int64_t> read;
  Begin(*batch, {.turns = Text(Long(150)),
                 .options = Greedy(1),
                 .on_progress = [&](const Progress& progress) {
                   if (progress.what == "reading the prompt") read.push_back(progress.done);
                   return true;
                 }});
  while (!Of(1)) ASSERT_TRUE(batch->Advance());
  ASSERT_GT(read.size(), 5);
  // Until something was read nothing is known of its time.
  for (size_t i = 2; i < read.size(); ++i) EXPECT_LE(read[i] - read[i - 1], 16) << i;
}

// Piece by piece; between two pieces every answer takes a step.
TEST_F(BatchTest, AnAnswerGoesOnWhileAPictureIsLookedAt) {
  const auto batch = Batch::New();
  int texts = 0;
  Begin(*batch, {.turns = Text("Copy: red"),
                 .options = Endless(Greedy(200)),
                 .on_text = [&](const std::string&) { return ++texts > 0; }});
  while (texts == 0) batch->Advance();
  int pieces = 0, at = -1;
  Begin(*batch, {.turns = Seen("pictures-0068.png"),
                 .options = Greedy(1),
                 .on_progress = [&](const Progress& progress) {
                   if (progress.what != "looking and listening") return true;
                   EXPECT_LE(at, texts);
                   EXPECT_NE(at, texts) << "another piece without a step in between";
                   at = texts;
                   ++pieces;
                   return true;
                 }});
  while (!Of(1)) ASSERT_TRUE(batch->Advance());
  EXPECT_GT(pieces, 8) << "the stem, the blocks, the fusion";
}

TEST_F(BatchTest, CancellingEndsOneRequest) {
  const BatchRequest goes_on{.turns = Text("Copy: red blue"), .options = Endless(Greedy())};
  const auto batch = Batch::New();
  Begin(*batch, goes_on);
  int texts = 0;
  Begin(*batch, {.turns = Text("Copy: one two"),
                 .options = Endless(Greedy()),
                 .on_text = [&](const std::string&) { return ++texts < 3; }});
  Begin(*batch, {.turns = Text("Copy: one two"),
                 .options = Greedy(),
                 .on_progress = [](const Progress&) { return false; }});
  while (batch->Advance()) {
  }
  ExpectAsAlone(0, goes_on);
  ASSERT_TRUE(Of(1) && Of(2));
  EXPECT_EQ(Of(1)->result.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(Of(1)->result.token_ids.size(), 3u);
  EXPECT_EQ(Of(2)->result.finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(Of(2)->result.token_ids.empty());
}

TEST_F(BatchTest, AnErrorEndsOneRequest) {
  const BatchRequest goes_on{.turns = Text("Copy: red blue"), .options = Endless(Greedy())};
  const auto batch = Batch::New();
  Begin(*batch, {.turns = Text("Copy: one two"),
                 .options = Endless(Greedy()),
                 .on_text = [](const std::string&) -> bool { throw std::runtime_error("torn"); }});
  Begin(*batch, goes_on);
  const auto session = engine_->NewSession(8);
  EXPECT_THROW(batch->Add(*session, goes_on), Error) << "the prompt is longer than the context";
  EXPECT_EQ(batch->size(), 2u);
  while (batch->Advance()) {
  }
  ASSERT_TRUE(Of(0));
  EXPECT_THROW(std::rethrow_exception(Of(0)->error), std::runtime_error);
  EXPECT_EQ(Of(0)->result.token_ids.size(), 1u);
  ExpectAsAlone(1, goes_on);
}

TEST_F(BatchTest, ASessionHasOneRequestAtATimeAndGoesOnWithItsConversation) {
  std::vector<Turn> turns = Text("Copy: red blue");
  const auto session = engine_->NewSession(512), alone = engine_->NewSession(512);
  const auto batch = Batch::New();
  Begin(*batch, {.turns = Text("Copy: one"), .options = Endless(Greedy())});
  Begin(*batch, *session, {.turns = turns, .options = Greedy()});
  EXPECT_THROW(batch->Add(*session, {.turns = turns}), Error);
  const auto other = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"})->NewSession(64);
  EXPECT_THROW(batch->Add(*other, {.turns = turns}), Error);
  while (!Of(1)) batch->Advance();
  ExpectSame(Of(1)->result, alone->Generate(turns, Greedy()));
  EXPECT_EQ(session->position(), alone->position());
  turns.push_back({Role::kModel, {Part(Of(1)->result.text)}});
  turns.push_back({Role::kUser, {Part("Copy: green")}});
  Begin(*batch, *session, {.turns = turns, .options = Greedy()});
  while (batch->Advance()) {
  }
  const GenerateResult expected = alone->Generate(turns, Greedy());
  EXPECT_GT(expected.timings.cached_tokens, 5);
  EXPECT_EQ(Of(2)->result.timings.cached_tokens, expected.timings.cached_tokens);
  ExpectSame(Of(2)->result, expected);
}

TEST_F(BatchTest, ACallbackMayBeginAnotherRequest) {
  const BatchRequest next{.turns = Text("Copy: green"), .options = Greedy()};
  const auto batch = Batch::New();
  sessions_.push_back(engine_->NewSession(512));
  std::optional<GenerateResult> first;
  batch->Add(*sessions_[0], {.turns = Text("Copy: red"),
                             .options = Greedy(),
                             .on_done = [&](GenerateResult result, std::exception_ptr) {
                               first = std::move(result);
                               Begin(*batch, *sessions_[0], next);
                             }});
  bool begun = false;
  Begin(*batch, {.turns = Text("Copy: blue"),
                 .options = Endless(Greedy()),
                 .on_text = [&](const std::string&) {
                   if (!std::exchange(begun, true)) {
                     for (int i = 0; i < 9; ++i) Begin(*batch, next);
                   }
                   return true;
                 }});
  while (batch->Advance()) {
  }
  ASSERT_TRUE(first);
  for (size_t i = 1; i < done_.size(); ++i) ExpectAsAlone(i, next);
  EXPECT_EQ(done_.size(), 11u);
}

TEST_F(BatchTest, OtherSizesAndSpeculationHaveTheirOwnSteps) {
  std::vector<BatchRequest> requests;
  for (const char* size : {"full", "ffn=256", "full", "ffn=256", "ffn=128@6-9"}) {
    requests.push_back({.turns = Text("Copy: red blue green red blue green"),
                        .options = Endless(Drawn(requests.size()))});
    requests.back().options.size = engine_->ParseSize(size);
  }
  for (Speculation speculation : {Speculation::kLookup, Speculation::kDraft}) {
    requests.push_back(requests[0]);
    requests.back().options.speculation = speculation;
  }
  requests.push_back(requests[0]);
  requests.back().options.elastic.emplace();
  const auto batch = Batch::New();
  for (const BatchRequest& request : requests) Begin(*batch, request);
  while (batch->Advance()) {
  }
  for (size_t i = 0; i < requests.size(); ++i) ExpectAsAlone(i, requests[i]);
}

// 4 and 8 bits, rows of sparse layers by themselves, smaller keys and values, one thread and two.
TEST(BatchOfQuantized, AnswersAreThoseOfOneByOne) {
  const auto place =
      std::filesystem::temp_directory_path() / ("gemma3n_batch_" + std::to_string(getpid()));
  std::filesystem::create_directories(place);
  ASSERT_TRUE(Quantize({.model = GEMMA3N_SOURCE_DIR "/models/nano", .out = place / "nano.g3n"}));
  struct Way {
    KvType kv;
    int threads;
  };
  for (const Way& way : {Way{KvType::kF32, 2}, Way{KvType::kF16, 1}, Way{KvType::kInt8, 2}}) {
    const auto engine =
        Engine::Load({.model = place / "nano.g3n", .threads = way.threads, .kv = way.kv});
    const auto batch = Batch::New();
    std::vector<std::unique_ptr<Session>> sessions;
    std::vector<GenerateResult> found(9), expected;
    for (size_t i = 0; i < found.size(); ++i) {
      BatchRequest request{.turns = {{Role::kUser, {Part(Long(3 + 20 * static_cast<int>(i)))}}}};
      request.options.sampling = {.temperature = 1.5, .top_k = 0, .top_p = 1, .seed = i};
      request.options.max_tokens = 8 + static_cast<int64_t>(i);
      sessions.push_back(engine->NewSession(512));
      expected.push_back(engine->NewSession(512)->Generate(request.turns, request.options));
      request.on_done = [&, i](GenerateResult result, std::exception_ptr) {
        found[i] = std::move(result);
      };
      batch->Add(*sessions.back(), std::move(request));
    }
    while (batch->Advance()) {
    }
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].token_ids, expected[i].token_ids) << i;
      EXPECT_FALSE(found[i].token_ids.empty());
    }
  }
  std::filesystem::remove_all(place);
}

TEST_F(BatchTest, TheEndOfAContextEndsOneAnswer) {
  const BatchRequest request{.turns = Text("Copy: red"), .options = Endless(Greedy(60))};
  const auto batch = Batch::New();
  Begin(*batch, request, 30);
  Begin(*batch, request);
  while (batch->Advance()) {
  }
  ExpectAsAlone(0, request, 30);
  EXPECT_LT(Of(0)->result.token_ids.size(), 60u);
  ExpectAsAlone(1, request);
}

}  // namespace
}  // namespace gemma3n
