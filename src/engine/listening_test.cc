// SPDX-License-Identifier: Apache-2.0
// Messages that are read while they are being said, on the embedded model.
#include "gemma3n/listening.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "gemma3n/engine.h"

namespace gemma3n {
namespace {

constexpr char kAsk[] = "Transcribe the following speech segment.";

class ListeningTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
    speech_ = LoadAudio(GEMMA3N_SOURCE_DIR "/models/nano/eval/speech new voices-0000.flac");
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static GenerateOptions Options() {
    GenerateOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = 24;
    options.top_logprobs = 2;
    return options;
  }
  static std::vector<Turn> Ask(AudioClip clip) {
    return {{Role::kUser, {Part(std::move(clip)), Part(kAsk)}}};
  }
  // To the whole clip, by a session that has seen nothing else.
  static GenerateResult Whole(std::vector<Turn> turns, const GenerateOptions& options) {
    for (Turn& turn : turns) {
      for (Part& part : turn.parts) {
        const auto* clip = std::get_if<std::shared_ptr<const AudioClip>>(&part.content);
        if (clip != nullptr && (*clip)->samples.empty()) part = Part(speech_);
      }
    }
    return engine_->NewSession(512)->Generate(turns, options);
  }
  static void ExpectSame(const GenerateResult& found, const GenerateResult& expected) {
    EXPECT_EQ(found.text, expected.text);
    EXPECT_EQ(found.prompt_token_ids, expected.prompt_token_ids);
    ASSERT_EQ(found.token_ids, expected.token_ids);
    ASSERT_FALSE(found.token_ids.empty());
    for (size_t i = 0; i < found.logprobs.size(); ++i) {
      EXPECT_EQ(found.logprobs[i].logprob, expected.logprobs[i].logprob) << i;
    }
  }
  static std::span<const float> Samples(size_t begin, size_t end) {
    return std::span(speech_.samples).subspan(begin, end - begin);
  }
  static size_t size() { return speech_.samples.size(); }

  static std::shared_ptr<Engine> engine_;
  static AudioClip speech_;
};
std::shared_ptr<Engine> ListeningTest::engine_;
AudioClip ListeningTest::speech_;

TEST_F(ListeningTest, AnswersAsToTheWholeClipHoweverItIsCut) {
  const GenerateResult expected = Whole(Ask({}), Options());
  for (size_t piece : {size_t{320}, size_t{2560}, size_t{7777}, size()}) {
    const auto session = engine_->NewSession(512);
    const auto listening = session->Listen(Ask({}), Options());
    for (size_t begin = 0; begin < size(); begin += piece) {
      listening->Push(Samples(begin, std::min(size(), begin + piece)));
    }
    EXPECT_GT(listening->timings().audio_tokens, 6) << piece;
    ExpectSame(session->Generate(listening->Conversation(), Options()), expected);
  }
}

TEST_F(ListeningTest, WhatWasReadIsNotReadAgain) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  listening->Push(speech_.samples);
  const int64_t listened = session->position();
  EXPECT_GT(listened, 6);
  while (listening->ReadOn()) {
  }
  EXPECT_GT(session->position(), listened);
  const GenerateResult found = session->Generate(listening->Conversation(), Options());
  EXPECT_EQ(found.timings.prefill_tokens, 1);
  EXPECT_EQ(found.timings.clips, 0);
  ExpectSame(found, Whole(Ask({}), Options()));
}

TEST_F(ListeningTest, AnEndThatWasNoneIsTakenBack) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  for (size_t begin = 0; begin < size(); begin += 5000) {
    listening->Push(Samples(begin, std::min(size(), begin + 5000)));
    while (listening->ReadOn()) {
    }
  }
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

// As a live transcript does: the answer so far, then more is said.
TEST_F(ListeningTest, AnswersInBetweenAreThoseToTheClipSoFar) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  const size_t half = size() / 2;
  listening->Push(Samples(0, half));
  AudioClip first;
  first.samples.assign(speech_.samples.begin(),
                       speech_.samples.begin() + static_cast<ptrdiff_t>(half));
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask(first), Options()));
  listening->Push(Samples(half, size()));
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

// Also by another session, and after the clip has grown.
TEST_F(ListeningTest, AConversationThatWasGivenStaysAsItIs) {
  const auto session = engine_->NewSession(512), other = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  const size_t half = size() / 2;
  listening->Push(Samples(0, half));
  const std::vector<Turn> given = listening->Conversation();
  AudioClip first;
  first.samples.assign(speech_.samples.begin(),
                       speech_.samples.begin() + static_cast<ptrdiff_t>(half));
  const GenerateResult expected = Whole(Ask(first), Options());
  ExpectSame(other->Generate(given, Options()), expected);
  listening->Push(Samples(half, size()));
  ExpectSame(session->Generate(given, Options()), expected);
  ExpectSame(other->Generate(given, Options()), expected);
  ExpectSame(other->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

// A little more changes the clip's last rows before any further one is known.
TEST_F(ListeningTest, TwoThatWereGivenKeepTheirOwnEnds) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  const size_t half = size() / 2;
  listening->Push(Samples(0, half));
  const int64_t known = listening->timings().audio_tokens;
  const std::vector<Turn> given = listening->Conversation();
  listening->Push(Samples(half, half + 4000));
  ASSERT_EQ(listening->timings().audio_tokens, known);
  listening->Conversation();
  AudioClip first;
  first.samples.assign(speech_.samples.begin(),
                       speech_.samples.begin() + static_cast<ptrdiff_t>(half));
  ExpectSame(session->Generate(given, Options()), Whole(Ask(first), Options()));
}

// Reading on stops while the rings still hold what stands before the end that may be none.
TEST_F(ListeningTest, ALongQuestionBehindDoesNotLoseWhatStandsBefore) {
  std::string words = "Say:";
  for (int i = 0; i < 60; ++i) words += " red blue";
  const std::vector<Turn> turns = {
      {Role::kUser, {Part(words), Part(AudioClip{}), Part(words + words + words)}}};
  const auto session = engine_->NewSession(1024);
  const auto listening = session->Listen(turns, Options());
  const int64_t before = session->position();
  ASSERT_GT(before, 100);
  listening->Push(Samples(0, size() / 2));
  while (listening->ReadOn()) {
  }
  EXPECT_GT(session->position(), before + 100);
  const int64_t read = listening->timings().prefill_tokens;
  listening->Push(Samples(size() / 2, size()));
  EXPECT_LT(listening->timings().prefill_tokens - read, before);
}

TEST_F(ListeningTest, IsRefusedWhileTheSessionAnswers) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  bool asked = false;
  session->Generate(
      {{Role::kUser, {Part("What is 7 plus 5?")}}}, Options(), [&](const std::string&) {
        EXPECT_THROW(listening->Push(speech_.samples), Error);
        EXPECT_THROW(session->Generate({{Role::kUser, {Part("Say: one")}}}, Options()), Error);
        asked = true;
        return true;
      });
  EXPECT_TRUE(asked);
  listening->Push(speech_.samples);
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

TEST_F(ListeningTest, AnotherConversationInBetweenChangesNothing) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  listening->Push(Samples(0, size() / 2));
  session->Generate({{Role::kUser, {Part("Say: one")}}}, Options());
  listening->Push(Samples(size() / 2, size()));
  session->Generate({{Role::kUser, {Part("Say: two")}}}, Options());
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

// Behind other media, a long text (the rings have gone round) and at another size.
TEST_F(ListeningTest, StandsAnywhereInAConversation) {
  std::string words = "Say:";
  for (int i = 0; i < 140; ++i) words += " red blue";
  Image picture{.width = 2, .height = 1, .rgb = {255, 0, 0, 0, 0, 255}};
  const std::vector<Turn> turns = {
      {Role::kUser, {Part(std::move(picture)), Part(words)}},
      {Role::kModel, {Part("red")}},
      {Role::kUser, {Part("Now this:"), Part(AudioClip{}), Part(kAsk)}}};
  GenerateOptions options = Options();
  options.size = engine_->ParseSize("ffn=256");
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(turns, options);
  EXPECT_GT(session->position(), 320);
  for (size_t begin = 0; begin < size(); begin += 9000) {
    listening->Push(Samples(begin, std::min(size(), begin + 9000)));
    listening->ReadOn();
  }
  const GenerateResult found = session->Generate(listening->Conversation(), options);
  EXPECT_LT(found.timings.prefill_tokens, 60);
  ExpectSame(found, Whole(turns, options));
}

TEST_F(ListeningTest, AClipThatGrowsTooLongIsRefusedAndKept) {
  const auto session = engine_->NewSession(512);
  const auto listening = session->Listen(Ask({}), Options());
  listening->Push(speech_.samples);
  const double seconds = engine_->facts().max_clip_seconds;
  const std::vector<float> more(static_cast<size_t>(16000 * seconds) + 16000);
  try {
    listening->Push(more);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMedia);
    EXPECT_THAT(error.what(), testing::HasSubstr("expected at most"));
  }
  ExpectSame(session->Generate(listening->Conversation(), Options()), Whole(Ask({}), Options()));
}

TEST_F(ListeningTest, OneClipIsToBeSaid) {
  const auto session = engine_->NewSession(512);
  const std::vector<Turn> none = {{Role::kUser, {Part("hello")}}};
  const std::vector<Turn> two = {{Role::kUser, {Part(AudioClip{}), Part(AudioClip{})}}};
  for (const auto& turns : {none, two, std::vector<Turn>{}}) {
    EXPECT_THROW(session->Listen(turns, Options()), Error);
  }
}

}  // namespace
}  // namespace gemma3n
