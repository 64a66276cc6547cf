// SPDX-License-Identifier: Apache-2.0
// What is taken from the cache is as if it had been computed: answers are those of fresh sessions
// to the last bit, beyond the window of sliding layers too. On the embedded model, whose window has
// 48 positions and whose rings have 304.
#include "gemma3n/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "gemma3n/batch.h"
#include "gemma3n/engine.h"
#include "gemma3n/media.h"

namespace gemma3n {
namespace {

constexpr char kModel[] = GEMMA3N_SOURCE_DIR "/models/nano";
constexpr char kEval[] = GEMMA3N_SOURCE_DIR "/models/nano/eval/";

GenerateOptions Drawn(int64_t max_tokens = 12) {
  GenerateOptions options;
  options.sampling = {.temperature = 1.2, .top_k = 50, .seed = 5};
  options.max_tokens = max_tokens;
  options.top_logprobs = 2;
  return options;
}

void ExpectSame(const GenerateResult& found, const GenerateResult& expected) {
  EXPECT_EQ(found.token_ids, expected.token_ids);
  EXPECT_EQ(found.text, expected.text);
  ASSERT_EQ(found.logprobs.size(), expected.logprobs.size());
  for (size_t i = 0; i < found.logprobs.size(); ++i) {
    EXPECT_EQ(found.logprobs[i].logprob, expected.logprobs[i].logprob) << i;
    EXPECT_EQ(found.logprobs[i].likeliest, expected.logprobs[i].likeliest) << i;
  }
}

std::string Words(int count, unsigned seed) {
  static constexpr const char* kWords[] = {" red", " blue", " one", " two", " boat", " sand"};
  std::mt19937 random(seed);
  std::string text;
  for (int i = 0; i < count; ++i) text += kWords[random() % 6];
  return text;
}

std::vector<Turn> Says(const std::string& text) {
  return {{Role::kUser, {Part(text)}}};
}

class PrefixCacheTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { engine_ = Engine::Load({.model = kModel}); }
  static void TearDownTestSuite() { engine_.reset(); }

  std::unique_ptr<Session> Sharing(const std::string& owner = "") {
    auto session = engine_->NewSession(1024);
    session->Share(cache_, owner);
    return session;
  }
  static GenerateResult Alone(const std::vector<Turn>& turns, const GenerateOptions& options) {
    return engine_->NewSession(1024)->Generate(turns, options);
  }
  // Asked of a new session; how many positions it found.
  int64_t Cached(const std::vector<Turn>& turns, const GenerateOptions& options = Drawn(),
                 const std::string& owner = "") {
    const GenerateResult found = Sharing(owner)->Generate(turns, options);
    ExpectSame(found, Alone(turns, options));
    EXPECT_EQ(found.timings.cached_tokens + found.timings.prefill_tokens,
              static_cast<int64_t>(found.prompt_token_ids.size()));
    return found.timings.cached_tokens;
  }
  static int64_t CountCommon(const std::vector<Turn>& a, const std::vector<Turn>& b) {
    const auto x = engine_->PromptIds(a, {}), y = engine_->PromptIds(b, {});
    return std::mismatch(x.begin(), x.end(), y.begin(), y.end()).first - x.begin();
  }

  static std::shared_ptr<Engine> engine_;
  std::shared_ptr<PrefixCache> cache_ = PrefixCache::New();
};
std::shared_ptr<Engine> PrefixCacheTest::engine_;

// Prompts that part after a few positions, within the window, behind it, and where the session that
// has read the first one has lost what the second one needs of its rings.
TEST_F(PrefixCacheTest, AnotherSessionGoesOnWherePromptsPart) {
  for (int shared : {3, 30, 90, 300}) {
    SCOPED_TRACE(shared);
    const std::string begin = Words(shared, 1);
    const auto first = Says(begin + " green" + Words(260, 2)), second = Says(begin + " Hugo, who?");
    cache_->Clear();
    EXPECT_EQ(Cached(first), 0);
    EXPECT_EQ(Cached(second), CountCommon(first, second));
    EXPECT_EQ(Cached(second), static_cast<int64_t>(engine_->PromptIds(second, {}).size()) - 1);
    EXPECT_EQ(Cached(Says(begin + " Hugo, who else?")),
              CountCommon(second, Says(begin + " Hugo, who else?")));
  }
}

TEST_F(PrefixCacheTest, AConversationGoesOnInAnotherSession) {
  std::vector<Turn> turns;
  const auto first = Sharing();
  int64_t before = 0;
  for (int turn = 0; turn < 5; ++turn) {
    turns.push_back({Role::kUser, {Part("Copy:" + Words(60, static_cast<unsigned>(turn)))}});
    // By turns in a new session and where the one before the last was answered.
    const auto other = Sharing();
    Session& session = turn % 2 == 0 ? *first : *other;
    const GenerateResult found = session.Generate(turns, Drawn());
    ExpectSame(found, Alone(turns, Drawn()));
    EXPECT_GE(found.timings.cached_tokens, before) << turn;
    before = static_cast<int64_t>(found.prompt_token_ids.size());
    turns.push_back({Role::kModel, {Part(found.text)}});
  }
}

TEST_F(PrefixCacheTest, HoldsForEveryWayToKeepKeysAndValues) {
  for (KvType kv : {KvType::kF16, KvType::kInt8}) {
    const auto engine = Engine::Load({.model = kModel, .kv = kv});
    const auto cache = PrefixCache::New();
    const std::string begin = Words(420, 3);
    for (const char* end : {" and?", " or what then?", " and?"}) {
      const auto session = engine->NewSession(1024);
      session->Share(cache, "");
      const GenerateResult found = session->Generate(Says(begin + end), Drawn());
      ExpectSame(found, engine->NewSession(1024)->Generate(Says(begin + end), Drawn()));
      EXPECT_TRUE(found.timings.cached_tokens > 400 || end == std::string(" and?"));
    }
    EXPECT_GT(cache->counts().positions, 420);
    const auto stranger = engine_->NewSession(64);
    EXPECT_THROW(stranger->Share(cache, ""), Error) << "of another engine";
  }
}

TEST_F(PrefixCacheTest, OwnersShareNothing) {
  const auto turns = Says(Words(100, 4));
  EXPECT_EQ(Cached(turns, Drawn(), "a"), 0);
  EXPECT_EQ(Cached(turns, Drawn(), "b"), 0);
  EXPECT_GT(Cached(turns, Drawn(), "a"), 100);
  // Nor does a session that passes from one to another keep what it held itself.
  const auto session = Sharing("a");
  session->Generate(turns, Drawn());
  session->Share(cache_, "c");
  EXPECT_EQ(session->Generate(turns, Drawn()).timings.cached_tokens, 0);
}

TEST_F(PrefixCacheTest, SizesShareWhatTheyHaveInCommon) {
  const auto turns = Says(Words(300, 5));
  const auto with = [&](const char* size) {
    GenerateOptions options = Drawn();
    options.size = engine_->ParseSize(size);
    return Cached(turns, options);
  };
  EXPECT_EQ(Cached(turns), 0);
  EXPECT_EQ(with("ffn=256"), 0) << "keys and values differ";
  EXPECT_GT(with("ffn=128@6-9"), 300) << "narrower above the last layer that writes them";
  EXPECT_GT(with("ffn=256"), 300);
  EXPECT_GT(Cached(turns), 300);
  // What two sizes have read by turns is neither's.
  GenerateOptions keeps = Drawn();
  keeps.size_change = SizeChange::kKeepCache;
  const auto session = Sharing();
  const auto longer = Says(Words(300, 6));
  session->Generate(longer, keeps);
  keeps.size = engine_->ParseSize("ffn=256");
  auto more = longer;
  more.push_back({Role::kModel, {Part("yes")}});
  more.push_back({Role::kUser, {Part(Words(80, 7))}});
  session->Generate(more, keeps);
  EXPECT_LE(Cached(more), CountCommon(longer, more) + 13) << "with the first answer at most";
}

TEST_F(PrefixCacheTest, SpeculationAndCancellingLeaveNothingWrong) {
  GenerateOptions options = Drawn(60);
  options.speculation = Speculation::kLookup;
  const auto turns = Says("Repeat:" + Words(100, 8) + Words(100, 8));
  Cached(turns, options);
  GenerateOptions endless = Drawn(60);
  for (const char* end : {"<end_of_turn>", "<eos>"}) {
    for (int32_t id : engine_->Tokenize(end, true, false)) {
      endless.sampling.logit_bias[id] = -1000;
    }
  }
  int left = 20;
  const GenerateResult cut =
      Sharing()->Generate(turns, endless, [&](const std::string&) { return --left > 0; });
  EXPECT_EQ(cut.finish_reason, FinishReason::kCancelled);
  auto more = turns;
  more.push_back({Role::kModel, {Part(cut.text)}});
  more.push_back({Role::kUser, {Part("And?")}});
  EXPECT_GT(Cached(more), 200);
}

TEST_F(PrefixCacheTest, PicturesAndClipsAreEncodedOnce) {
  const Part picture(LoadImage(std::string(kEval) + "pictures-0068.png"));
  const Part clip(LoadAudio(std::string(kEval) + "speech new voices-0005.flac"));
  const auto ask = [&](const std::string& text, int64_t image_size, const std::string& owner) {
    GenerateOptions options = Drawn();
    options.image_size = image_size;
    const std::vector<Turn> turns = {{Role::kUser, {text, picture, clip, "What?"}}};
    const GenerateResult found = Sharing(owner)->Generate(turns, options);
    ExpectSame(found, Alone(turns, options));
    return found.timings.images * 10 + found.timings.clips;
  };
  EXPECT_EQ(ask("a", 0, ""), 11);
  EXPECT_EQ(ask("a", 0, ""), 0);
  EXPECT_EQ(ask("another", 0, ""), 0) << "at another place";
  EXPECT_EQ(ask("a", 128, ""), 10) << "the picture at another size";
  EXPECT_EQ(ask("a", 0, "other"), 11);
  EXPECT_EQ(cache_->counts().media, 5);
  // One that looks the same to the decoder's ids alone is another picture.
  const std::vector<Turn> turns = {
      {Role::kUser, {Part(LoadImage(std::string(kEval) + "pictures-0069.png")), "What?"}}};
  Cached({{Role::kUser, {picture, "What?"}}});
  EXPECT_LT(Cached(turns), 10);
  cache_->Clear();
  EXPECT_EQ(cache_->counts().media_bytes, 0);
  EXPECT_EQ(ask("a", 0, ""), 11);
}

// A medium is known by its content's id: whoever sends it again need not have kept it.
TEST_F(PrefixCacheTest, ContentIsKnownByItsId) {
  const std::string path = std::string(kEval) + "pictures-0068.png";
  const auto ask = [&](Part part, uint8_t id, int64_t image_size = 0) {
    part.id = ContentId{id};
    GenerateOptions options = Drawn();
    options.image_size = image_size;
    return Sharing()->Generate({{Role::kUser, {std::move(part), Part("What is it?")}}}, options);
  };
  const GenerateResult first = ask(Part(LoadImage(path)), 1);
  const GenerateResult again = ask(Part(ImageFile(path)), 1);
  ExpectSame(again, first);
  EXPECT_EQ(first.timings.images, 1);
  EXPECT_EQ(again.timings.images, 0);
  EXPECT_EQ(again.timings.prefill_tokens, 1);
  EXPECT_EQ(ask(Part(LoadImage(path)), 2).timings.images, 1);
  EXPECT_EQ(ask(Part(LoadImage(path)), 1, 128).timings.images, 1);
}

TEST_F(PrefixCacheTest, StaysWithinItsBytes) {
  cache_ = PrefixCache::New({.most_bytes = 1 << 20, .most_media_bytes = 20'000});
  const std::string begin = Words(40, 9);
  for (unsigned i = 0; i < 12; ++i) {
    const auto turns = Says(begin + Words(150, 10 + i));
    EXPECT_GE(Cached(turns), i == 0 ? 0 : 40) << "what all have in common was used last";
    EXPECT_LE(cache_->counts().bytes, 1 << 20);
  }
  EXPECT_GT(cache_->counts().bytes, 1 << 19);
  EXPECT_LT(Cached(Says(begin + Words(150, 10))), 80) << "the first one has made room";
  const Part picture(LoadImage(std::string(kEval) + "pictures-0068.png"));
  Cached({{Role::kUser, {picture, "What?"}}});
  EXPECT_LE(cache_->counts().media_bytes, 20'000);
  const auto none = PrefixCache::New({.most_bytes = 0});
  const auto session = engine_->NewSession(256);
  session->Share(none, "");
  session->Generate(Says("Hello"), Drawn());
  EXPECT_EQ(none->counts().bytes, 0);
}

// Conversations made of few pieces, so that they part and meet everywhere, in few sessions and a
// small cache.
TEST_F(PrefixCacheTest, AnyConversationsInAnyOrder) {
  cache_ = PrefixCache::New({.most_bytes = 2 << 20});
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(Sharing());
  std::mt19937 random(11);
  int64_t cached = 0, read = 0;
  for (int round = 0; round < 30; ++round) {
    std::string text;
    const unsigned pieces = 1 + random() % 4;
    for (unsigned i = 0; i < pieces; ++i) {
      text += Words(20 + static_cast<int>(random() % 2) * 50, random() % 2);
    }
    GenerateOptions options = Drawn(1 + random() % 70);
    options.sampling.seed = random() % 2;
    const auto turns = Says(text);
    const GenerateResult found = sessions[random() % 3]->Generate(turns, options);
    ExpectSame(found, Alone(turns, options));
    cached += found.timings.cached_tokens;
    read += found.timings.prefill_tokens;
  }
  EXPECT_GT(2 * cached, read) << "or nothing was tried here";
}

// Requests of one batch that begin alike.
class SharedBatchTest : public PrefixCacheTest {
 protected:
  void Begin(const std::vector<Turn>& turns, const std::string& owner = "") {
    sessions_.push_back(Sharing(owner));
    asked_.push_back(turns);
    found_.push_back(std::make_unique<std::optional<GenerateResult>>());
    batch_->Add(*sessions_.back(),
                {.turns = turns,
                 .options = Drawn(),
                 .client = owner,
                 .on_done = [to = found_.back().get()](GenerateResult result, std::exception_ptr) {
                   *to = std::move(result);
                 }});
  }
  void Finish() {
    while (batch_->Advance()) {
    }
    for (size_t i = 0; i < found_.size(); ++i) ExpectSame(Of(i), Alone(asked_[i], Drawn()));
  }
  const GenerateResult& Of(size_t request) { return found_[request]->value(); }

  std::unique_ptr<Batch> batch_ = Batch::New();
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::vector<Turn>> asked_;
  std::vector<std::unique_ptr<std::optional<GenerateResult>>> found_;
};

TEST_F(SharedBatchTest, WhatTheyHaveInCommonIsReadOnce) {
  const std::string begin = Words(350, 20);
  for (const char* end : {" one?", " two?", " what now?", " one?"}) Begin(Says(begin + end));
  Begin(Says(begin + " one?"), "another");
  Finish();
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_GE(Of(i).timings.cached_tokens, CountCommon(asked_[0], asked_[i]) - 1) << i;
  }
  EXPECT_EQ(Of(4).timings.cached_tokens, 0);
}

TEST_F(SharedBatchTest, APictureThatTwoAskAboutIsEncodedOnce) {
  const Part picture(LoadImage(std::string(kEval) + "pictures-0068.png"));
  Begin({{Role::kUser, {picture, "What?"}}});
  Begin({{Role::kUser, {"Look:", picture, "What?"}}});
  Finish();
  EXPECT_EQ(Of(0).timings.images + Of(1).timings.images, 1);
}

TEST_F(SharedBatchTest, AShortPromptDoesNotWaitForALongOne) {
  Begin(Says("Copy: red"));
  while (!*found_[0]) batch_->Advance();
  Begin(Says("Copy:" + Words(500, 21)));
  Begin(Says("What is 3 plus 4?"));
  Begin(Says("Say:" + Words(20, 22)));
  while (!*found_[2] || !*found_[3]) batch_->Advance();
  EXPECT_FALSE(*found_[1]);
  Finish();
}

TEST_F(SharedBatchTest, NobodyWaitsForAllPromptsOfAnother) {
  for (unsigned seed = 31; seed < 34; ++seed) Begin(Says("Copy:" + Words(300, seed)), "one");
  Begin(Says("Copy:" + Words(300, 34)), "two");
  while (!*found_[0] && !*found_[3]) batch_->Advance();
  EXPECT_FALSE(*found_[1]);
  EXPECT_FALSE(*found_[2]);
  while (!*found_[3]) batch_->Advance();
  EXPECT_FALSE(*found_[2]);
  Finish();
}

}  // namespace
}  // namespace gemma3n
