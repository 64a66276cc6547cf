// SPDX-License-Identifier: Apache-2.0
// Recordings made of models/nano's own test clips, heard by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "gemma3n/error.h"
#include "gemma3n/media.h"
#include "gemma3n/transcribe.h"
#include "speech/test_sounds.h"
#include "tiny/silent_engine.h"

namespace gemma3n {
namespace {

using namespace test_sounds;

constexpr char kEval[] = GEMMA3N_SOURCE_DIR "/models/nano/eval/";

class TranscriberTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    engine_ = Engine::Load({.model = GEMMA3N_SOURCE_DIR "/models/nano"});
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::vector<float> Clip(const std::string& name) {
    return LoadAudio(kEval + name + ".flac").samples;
  }
  static std::vector<Segment> Transcribe(const std::vector<float>& sound,
                                         const TranscribeOptions& options = {}) {
    std::vector<Segment> segments;
    const auto take = [&](const Segment& segment) {
      segments.push_back(segment);
      return true;
    };
    const auto transcriber = Transcriber::New(engine_, options);
    for (size_t begin = 0; begin < sound.size(); begin += 4000) {
      const size_t count = std::min<size_t>(4000, sound.size() - begin);
      EXPECT_TRUE(transcriber->Push(std::span(sound).subspan(begin, count), take));
    }
    EXPECT_TRUE(transcriber->Finish(take));
    return segments;
  }

  static std::shared_ptr<Engine> engine_;
};
std::shared_ptr<Engine> TranscriberTest::engine_;

TEST_F(TranscriberTest, SaysWhatIsSaidAndWhen) {
  const std::vector<float> one = Clip("speech new voices-0005"),
                           two = Clip("speech new voices-0003");
  const auto segments = Transcribe(Joined({Silence(2), one, Silence(3), two, Silence(1)}));
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].text, "warte drei minuten");
  EXPECT_EQ(segments[1].text, "desliga o rádio");
  const double first = static_cast<double>(one.size()) / 16000;
  EXPECT_GE(segments[0].start_s, 2);
  EXPECT_LE(segments[0].end_s, 2.2 + first);
  EXPECT_GE(segments[1].start_s, 5 + first - 0.02);
  for (const Segment& segment : segments) {
    EXPECT_LT(segment.no_speech, 0.7);
    EXPECT_LE(segment.average_logprob, 0);
    EXPECT_GT(segment.average_logprob, -2);
  }
}

TEST_F(TranscriberTest, WhatIsNoSpeechIsPassedOver) {
  EXPECT_TRUE(Transcribe(Silence(5)).empty());
  EXPECT_TRUE(Transcribe(Joined({Silence(1), Noise(3, 0.1f), Silence(1)})).empty());
  EXPECT_TRUE(Transcribe(Joined({Silence(1), Tones(2, 0.1f), Silence(1)})).empty());
  EXPECT_TRUE(Transcribe({}).empty());
}

TEST_F(TranscriberTest, TranslatesDirectlyAndByTheTranscript) {
  const std::vector<float> clip = Clip("translation heard phrases-0044");
  const std::vector<float> sound = Joined({Silence(1), clip, Silence(1)});
  const auto direct = Transcribe(sound, {.task = SpeechTask::kTranslate});
  ASSERT_EQ(direct.size(), 1u);
  EXPECT_EQ(direct[0].text, "open the window");
  const auto both = Transcribe(
      sound,
      {.task = SpeechTask::kTranscribeTranslate,
       .prompt = "Transcribe the following speech segment, then translate it into English."});
  ASSERT_EQ(both.size(), 1u);
  EXPECT_EQ(both[0].text, "abre la ventana");
  EXPECT_EQ(both[0].translation, "open the window");
}

TEST_F(TranscriberTest, GoesOnWhereItWasEnded) {
  const std::vector<float> sound =
      Joined({Silence(1), Clip("speech new voices-0000"), Silence(2),
              Clip("speech new voices-0003"), Silence(2), Clip("speech new voices-0005")});
  const auto whole = Transcribe(sound);
  ASSERT_EQ(whole.size(), 3u);
  // Ended by the callback at the second one.
  const auto first = Transcriber::New(engine_, {});
  int told = 0;
  const auto ends = [&](const Segment&) { return ++told < 2; };
  EXPECT_FALSE(first->Push(sound, ends) && first->Finish(ends));
  const size_t settled = static_cast<size_t>(first->settled_s() * 16000 + 0.5);
  EXPECT_EQ(settled, static_cast<size_t>(whole[1].end_s * 16000 + 0.5));
  const auto second = Transcriber::New(engine_, {});
  second->BeginAt(static_cast<int64_t>(settled));
  std::vector<Segment> rest;
  const auto take = [&](const Segment& segment) {
    rest.push_back(segment);
    return true;
  };
  EXPECT_TRUE(second->Push(std::span(sound).subspan(settled), take));
  EXPECT_TRUE(second->Finish(take));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].text, whole[2].text);
  EXPECT_NEAR(rest[0].start_s, whole[2].start_s, 0.05);
}

TEST_F(TranscriberTest, TellsTheAnswerAsItComesAndStops) {
  const std::vector<float> sound = Joined({Silence(1), Clip("speech new voices-0003"), Silence(1)});
  const auto transcriber = Transcriber::New(engine_, {});
  std::string told;
  transcriber->OnText([&](const std::string& text) {
    told += text;
    return true;
  });
  EXPECT_TRUE(transcriber->Push(sound, [](const Segment&) { return true; }));
  EXPECT_EQ(told, "desliga o rádio");
  EXPECT_EQ(transcriber->timings().pieces, 1);
  const auto stopped = Transcriber::New(engine_, {});
  stopped->OnText([](const std::string&) { return false; });
  EXPECT_FALSE(stopped->Push(sound, [](const Segment&) { return true; }));
}

TEST_F(TranscriberTest, TellsWhatIsUnderstoodWhileItGoesOn) {
  const auto transcriber = Transcriber::New(engine_, {});
  const auto none = [](const Segment&) { return true; };
  EXPECT_EQ(transcriber->Partial(), "");
  transcriber->Push(Joined({Silence(1), Clip("speech new voices-0003")}), none);
  EXPECT_EQ(transcriber->Partial(), "desliga o rádio");
  transcriber->Push(Silence(2), none);
  EXPECT_EQ(transcriber->Partial(), "");
}

// Five phrases, one of them twice as long as a piece may be, and noise between.
class TranscriberTogether : public TranscriberTest {
 protected:
  static std::vector<float> Sound() {
    const std::vector<float> a = Clip("speech new voices-0005"), b = Clip("speech new voices-0003"),
                             c = Clip("speech new voices-0000");
    return Joined({Silence(1), a, Silence(2), b, Silence(1), Noise(1, 0.05f), Silence(1), c,
                   Silence(2), a, b, c, Silence(2), b, Silence(1), c, Silence(1)});
  }
  struct Run {
    bool to_the_end = true;
    std::vector<Segment> segments;
    std::string told;
    TranscribeTimings timings;
    double settled_s = 0;
    size_t before_finish = 0;
  };
  // The callback ends the work at segment `last`.
  static Run Hear(int64_t together, size_t last = 100) {
    Run run;
    const auto transcriber = Transcriber::New(engine_, {.piece_seconds = 2, .together = together});
    transcriber->OnText([&](const std::string& text) {
      run.told += text;
      return true;
    });
    const auto take = [&](const Segment& segment) {
      run.segments.push_back(segment);
      return run.segments.size() < last;
    };
    const std::vector<float> sound = Sound();
    for (size_t begin = 0; run.to_the_end && begin < sound.size(); begin += 4000) {
      const size_t count = std::min<size_t>(4000, sound.size() - begin);
      run.to_the_end = transcriber->Push(std::span(sound).subspan(begin, count), take);
    }
    run.before_finish = run.segments.size();
    run.to_the_end = run.to_the_end && transcriber->Finish(take);
    run.timings = transcriber->timings();
    run.settled_s = transcriber->settled_s();
    return run;
  }
  static void ExpectSame(const Run& found, const Run& expected) {
    EXPECT_EQ(found.to_the_end, expected.to_the_end);
    EXPECT_EQ(found.settled_s, expected.settled_s);
    ASSERT_EQ(found.segments.size(), expected.segments.size());
    for (size_t i = 0; i < found.segments.size(); ++i) {
      const Segment &a = found.segments[i], &b = expected.segments[i];
      EXPECT_EQ(a.text, b.text);
      EXPECT_EQ(a.start_s, b.start_s);
      EXPECT_EQ(a.end_s, b.end_s);
      EXPECT_EQ(a.average_logprob, b.average_logprob);
      EXPECT_EQ(a.no_speech, b.no_speech);
      EXPECT_EQ(a.goes_on, b.goes_on);
    }
  }
};

TEST_F(TranscriberTogether, SegmentsAreThoseOfOneByOne) {
  const Run expected = Hear(1);
  EXPECT_GE(expected.segments.size(), 7u);
  EXPECT_TRUE(std::any_of(expected.segments.begin(), expected.segments.end(),
                          [](const Segment& segment) { return segment.goes_on; }));
  for (int64_t together : {2, 3, 8, 0}) {
    SCOPED_TRACE(together);
    const Run found = Hear(together);
    ExpectSame(found, expected);
    EXPECT_EQ(found.told, expected.told);
    EXPECT_EQ(found.timings.pieces, expected.timings.pieces);
    EXPECT_EQ(found.timings.passed_over, expected.timings.passed_over);
    EXPECT_EQ(found.timings.speech_s, expected.timings.speech_s);
  }
}

TEST_F(TranscriberTogether, NoMorePiecesWaitThanWereAskedFor) {
  const Run one = Hear(1), three = Hear(3);
  EXPECT_LT(three.before_finish, one.before_finish) << "nothing goes on together";
  // Beside those under way one segment may wait for the piece that follows it without a pause.
  EXPECT_GE(three.before_finish + 2 + 1, one.before_finish);
}

// What is no speech may go on for hours behind a piece that waits for others.
TEST_F(TranscriberTogether, PiecesWithoutSpeechDoNotHoldSpeechUp) {
  std::vector<float> sound = Joined({Silence(1), Clip("speech new voices-0005")});
  for (int i = 0; i < 20; ++i) sound = Joined({sound, Silence(1), Tones(1, 0.1f)});
  sound = Joined({sound, Silence(1)});
  const auto transcriber = Transcriber::New(engine_, {.together = 8});
  size_t segments = 0;
  const auto take = [&](const Segment&) {
    ++segments;
    return true;
  };
  EXPECT_TRUE(transcriber->Push(sound, take));
  EXPECT_GT(transcriber->timings().passed_over, 10);
  EXPECT_EQ(segments, 1u);
}

TEST_F(TranscriberTogether, EndsAtTheSegmentThatEndsOneByOne) {
  for (size_t last : {1, 2, 5}) {
    const Run expected = Hear(1, last);
    EXPECT_FALSE(expected.to_the_end);
    ExpectSame(Hear(4, last), expected);
  }
  const auto stopped = Transcriber::New(engine_, {.together = 4});
  int asked = 0;
  stopped->OnText([&](const std::string&) { return ++asked < 20; });
  const auto none = [](const Segment&) { return true; };
  EXPECT_FALSE(stopped->Push(Sound(), none) && stopped->Finish(none));
  EXPECT_LT(asked, 30);
}

// Read while they go on, with what is understood asked for now and then: no word changes.
TEST_F(TranscriberTest, LiveSegmentsAreThoseOfTheWholeSound) {
  std::vector<float> sound = Silence(1);
  for (const char* name : {"speech new voices-0005", "speech new voices-0003",
                           "speech new voices-0001", "speech new voices-0004"}) {
    sound = Joined({sound, Clip(name), Silence(name[21] == '3' ? 0.1 : 1.5)});
  }
  const auto hear = [&](bool live, std::vector<Segment>& segments) {
    const auto transcriber = Transcriber::New(engine_, {.live = live});
    const auto take = [&](const Segment& segment) {
      segments.push_back(segment);
      return true;
    };
    for (size_t begin = 0, piece = 0; begin < sound.size(); begin += 1600, ++piece) {
      const size_t count = std::min<size_t>(1600, sound.size() - begin);
      EXPECT_TRUE(transcriber->Push(std::span(sound).subspan(begin, count), take));
      if (piece % 7 == 0) transcriber->Partial();
    }
    EXPECT_TRUE(transcriber->Finish(take));
    return transcriber->timings();
  };
  std::vector<Segment> plain, live;
  EXPECT_EQ(hear(false, plain).read_meanwhile, 0);
  const TranscribeTimings timings = hear(true, live);
  EXPECT_GE(timings.read_meanwhile, timings.pieces - 1);
  ASSERT_GE(plain.size(), 3u);
  ASSERT_EQ(live.size(), plain.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(live[i].text, plain[i].text);
    EXPECT_EQ(live[i].start_s, plain[i].start_s);
    EXPECT_EQ(live[i].end_s, plain[i].end_s);
    EXPECT_EQ(live[i].average_logprob, plain[i].average_logprob);
  }
}

TEST_F(TranscriberTest, ASystemTextComesBeforeEachQuestion) {
  const std::vector<float> sound = Joined({Silence(1), Clip("speech new voices-0003"), Silence(1)});
  const auto without = Transcribe(sound);
  const auto with = Transcribe(sound, {.system = "Copy: red blue", .least_logprob = -100});
  ASSERT_EQ(without.size(), 1u);
  ASSERT_EQ(with.size(), 1u);
  EXPECT_NE(with[0].average_logprob, without[0].average_logprob);
}

TEST_F(TranscriberTest, OptionsOutOfRangeAreRefused) {
  const auto refusal = [&](const TranscribeOptions& options) -> std::string {
    try {
      Transcriber::New(engine_, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({.piece_seconds = 31}), testing::HasSubstr("longest piece"));
  EXPECT_THAT(refusal({.piece_seconds = 0.1}), testing::HasSubstr("longest piece"));
  EXPECT_THAT(refusal({.pause_seconds = -1}), testing::HasSubstr("pause"));
  EXPECT_THAT(refusal({.least_likeness = 2}), testing::HasSubstr("likeness"));
  EXPECT_THAT(refusal({.together = 65}), testing::HasSubstr("0 to 64, found 65"));
  EXPECT_THAT(refusal({.together = -1}), testing::HasSubstr("0 to 64"));
  EXPECT_THAT(refusal({.together = 2, .live = true}), testing::HasSubstr("live"));
}

// Hears what it is told to, piece after piece.
class ToldEngine : public SilentEngine {
 public:
  explicit ToldEngine(std::vector<std::string> answers) : answers_(std::move(answers)) {
    facts_.hears = true;
    facts_.max_context = 512;
    facts_.max_clip_seconds = 3;
  }
  std::unique_ptr<Session> NewSession(int64_t) override;
  std::vector<double> temperatures;  // that it was asked at
  std::string NextAnswer() { return next_ < answers_.size() ? answers_[next_++] : "too many"; }

 private:
  std::vector<std::string> answers_;
  size_t next_ = 0;
};

class ToldSession : public SilentSession {
 public:
  explicit ToldSession(ToldEngine& engine) : SilentSession(512), engine_(engine) {}
  GenerateResult Generate(const std::vector<Turn>&, const GenerateOptions& options,
                          const TextCallback&, const ProgressCallback&) override {
    GenerateResult result;
    engine_.temperatures.push_back(*options.sampling.temperature);
    result.text = engine_.NextAnswer();
    return result;
  }

 private:
  ToldEngine& engine_;
};

std::unique_ptr<Session> ToldEngine::NewSession(int64_t) {
  return std::make_unique<ToldSession>(*this);
}

TEST(TranscriberJoints, WordsOfTwoPiecesWithoutPauseStandOnce) {
  const auto engine = std::make_shared<ToldEngine>(
      std::vector<std::string>{"one two three fo", "two three four five", "six"});
  const auto transcriber = Transcriber::New(engine, {});
  std::vector<Segment> segments;
  const auto take = [&](const Segment& segment) {
    segments.push_back(segment);
    return true;
  };
  // Longer than a piece and without a gap: one cut. Then a pause.
  const std::vector<float> sound =
      Joined({Silence(0.5), Babble(4, 0.2f, 0.5), Silence(2), Babble(1), Silence(1)});
  EXPECT_TRUE(transcriber->Push(sound, take));
  EXPECT_TRUE(transcriber->Finish(take));
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].text, "one two three");
  EXPECT_EQ(segments[1].text, "four five");
  EXPECT_EQ(segments[2].text, "six");
  EXPECT_TRUE(segments[0].goes_on);
  EXPECT_FALSE(segments[1].goes_on || segments[2].goes_on);
  EXPECT_LE(segments[0].end_s, segments[1].start_s);
}

TEST(TranscriberFallback, hostile_P12_AnswersInCirclesAreAskedForAgain) {
  const auto circles = [](int times, const std::string& what) {
    std::string text;
    for (int i = 0; i < times; ++i) text += what + " ";
    text.pop_back();
    return text;
  };
  const std::vector<float> sound = Joined({Silence(0.5), Babble(1), Silence(2)});
  const auto hear = [&](const std::vector<std::string>& answers, double most) {
    const auto engine = std::make_shared<ToldEngine>(answers);
    std::vector<Segment> segments;
    const auto take = [&](const Segment& segment) {
      segments.push_back(segment);
      return true;
    };
    const auto transcriber = Transcriber::New(engine, {.most_compression = most});
    EXPECT_TRUE(transcriber->Push(sound, take) && transcriber->Finish(take));
    EXPECT_EQ(segments.size(), 1u);
    return std::pair(segments.at(0), engine->temperatures);
  };
  const std::string bad = circles(40, "and so on"), worse = circles(80, "and so on");
  const auto [once, asked_once] = hear({bad}, 0);
  EXPECT_EQ(once.text, bad);
  EXPECT_GT(once.compression_ratio, 10);
  EXPECT_THAT(asked_once, testing::ElementsAre(0));

  const auto [good, asked] = hear({bad, worse, "well"}, 2.4);
  EXPECT_EQ(good.text, "well");
  EXPECT_EQ(good.temperature, 0.4);
  EXPECT_THAT(asked, testing::ElementsAre(0, 0.2, 0.4));

  const auto [least, asked_all] = hear({worse, worse, bad, worse, worse, worse, "no more"}, 2.4);
  EXPECT_EQ(least.text, bad);
  EXPECT_EQ(least.temperature, 0.4);
  EXPECT_THAT(asked_all, testing::ElementsAre(0, 0.2, 0.4, testing::DoubleNear(0.6, 1e-9),
                                              testing::DoubleNear(0.8, 1e-9), 1));
}

// Answers in a session of its own, a step at a time, and counts.
class OneByOne : public Answerer {
 public:
  OneByOne(Engine& engine, size_t& most) : session_(engine.NewSession()), most_(most) {}
  size_t most() const override { return 3; }
  size_t size() const override { return requests_.size(); }
  void Add(BatchRequest request) override {
    requests_.push_back(std::move(request));
    most_ = std::max(most_, requests_.size());
  }
  void Advance() override {
    const BatchRequest request = std::move(requests_.front());
    requests_.erase(requests_.begin());
    request.on_done(session_->Generate(request.turns, request.options, request.on_text), nullptr);
  }

 private:
  std::unique_ptr<Session> session_;
  std::vector<BatchRequest> requests_;
  size_t& most_;
};

TEST_F(TranscriberTest, AnotherAnswersTheSame) {
  std::vector<float> sound = Silence(1);
  for (const char* name : {"speech new voices-0005", "speech new voices-0003",
                           "speech new voices-0001", "speech new voices-0004"}) {
    sound = Joined({sound, Clip(name), Silence(1.5)});
  }
  const auto plain = Transcribe(sound);
  size_t most = 0;
  std::vector<Segment> segments;
  const auto take = [&](const Segment& segment) {
    segments.push_back(segment);
    return true;
  };
  const auto transcriber =
      Transcriber::New(engine_, {}, std::make_unique<OneByOne>(*engine_, most));
  EXPECT_TRUE(transcriber->Push(sound, take) && transcriber->Finish(take));
  EXPECT_EQ(most, 3u);
  ASSERT_EQ(segments.size(), plain.size());
  size_t tokens = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(segments[i].text, plain[i].text);
    EXPECT_EQ(segments[i].average_logprob, plain[i].average_logprob);
    tokens += segments[i].tokens.size();
  }
  EXPECT_EQ(transcriber->timings().answer_tokens, static_cast<int64_t>(tokens));
  EXPECT_GT(transcriber->timings().audio_tokens, 0);
  EXPECT_THROW(
      Transcriber::New(engine_, {.live = true}, std::make_unique<OneByOne>(*engine_, most)), Error);
}

}  // namespace
}  // namespace gemma3n
