// SPDX-License-Identifier: Apache-2.0
// Pieces of speech, each asked about in a conversation of its own. Several are answered at once;
// what becomes of the answers goes in the order of the sound.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "gemma3n/error.h"
#include "gemma3n/listening.h"
#include "gemma3n/transcribe.h"
#include "speech/answer_text.h"
#include "speech/compression.h"
#include "speech/joint.h"
#include "speech/pieces.h"
#include "speech/session_answerer.h"

namespace gemma3n {
namespace {

constexpr double kRate = static_cast<double>(VoiceActivity::kRateHz);
constexpr double kHotter = 0.2;  // each time a piece is asked about again

void CheckRange(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorKind::kUsage, std::string(name) + ": expected " + std::to_string(least) +
                                     " to " + std::to_string(most) + ", found " +
                                     std::to_string(value));
}

PieceCutter::Options CutterOptions(const Engine& engine, const TranscribeOptions& options) {
  const ModelFacts& facts = engine.facts();
  if (!facts.hears) {
    throw Error(ErrorKind::kRequest, "this model does not hear: it has no audio encoder");
  }
  const double most = facts.max_clip_seconds;
  const double longest = options.piece_seconds == 0 ? most : options.piece_seconds;
  CheckRange("longest piece, seconds", longest, 0.5, most);
  const double pause =
      options.pause_seconds == 0 ? std::min(0.8, longest / 8) : options.pause_seconds;
  CheckRange("pause, seconds", pause, 0.06, 60);
  CheckRange("least likeness", options.least_likeness, 0, 1);
  if (std::isnan(options.least_logprob)) {
    throw Error(ErrorKind::kUsage, "least log-probability: expected a number");
  }
  PieceCutter::Options cutter{.most_s = longest, .pause_s = pause};
  cutter.short_pause_s = std::min(cutter.short_pause_s, cutter.pause_s);
  return cutter;
}

double MeanLogprob(const GenerateResult& result) {
  double sum = 0;
  for (const TokenLogprob& token : result.logprobs) sum += token.logprob;
  return result.logprobs.empty() ? 0 : sum / static_cast<double>(result.logprobs.size());
}

// One or two words of letters, which is what names of languages are; "" for any other answer.
std::string LanguageIn(const std::string& answer) {
  const auto is_mark = [](char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '*' || c == '"';
  };
  size_t begin = 0, end = answer.size();
  while (begin < end && is_mark(answer[begin])) ++begin;
  while (end > begin && is_mark(answer[end - 1])) --end;
  const std::string name = answer.substr(begin, end - begin);
  int spaces = 0;
  for (char c : name) {
    const unsigned char byte = static_cast<unsigned char>(c);
    spaces += c == ' ';
    if (c != ' ' && byte < 0x80 && std::isalpha(byte) == 0) return "";
  }
  return name.size() >= 3 && spaces <= 1 ? name : "";
}

class TranscriberOfEngine : public Transcriber {
 public:
  TranscriberOfEngine(std::shared_ptr<Engine> engine, const TranscribeOptions& options)
      : TranscriberOfEngine(engine, options, nullptr) {
    auto sessions = std::make_unique<SessionAnswerer>(*engine_, options);
    sessions_ = sessions.get();
    answerer_ = std::move(sessions);
  }

  TranscriberOfEngine(std::shared_ptr<Engine> engine, const TranscribeOptions& options,
                      std::unique_ptr<Answerer> answerer)
      : engine_(std::move(engine)),
        options_(options),
        cutter_(CutterOptions(*engine_, options)),
        answerer_(std::move(answerer)) {
    CheckRange("most compression", options.most_compression, 0, 1e9);
    GenerateOptions& generate = options_.generate;
    if (!generate.sampling.temperature) generate.sampling.temperature = 0;
    generate.top_logprobs = std::max(0, generate.top_logprobs);
  }

  bool Push(std::span<const float> samples, const SegmentCallback& on_segment) override {
    timings_.heard_s += static_cast<double>(samples.size()) / kRate;
    if (!TakeAll(cutter_.Push(samples), on_segment)) return false;
    if (options_.live) ReadMeanwhile();
    return true;
  }

  bool Finish(const SegmentCallback& on_segment) override {
    return TakeAll(cutter_.Finish(), on_segment) && AnswerTill(0, on_segment) && Settle(on_segment);
  }

  void BeginAt(int64_t sample) override {
    cutter_.BeginAt(sample);
    settled_s_ = static_cast<double>(sample) / kRate;
  }
  void OnText(TextCallback on_text) override { on_text_ = std::move(on_text); }
  double settled_s() const override { return settled_s_; }
  TranscribeTimings timings() const override { return timings_; }

  std::string Partial() override {
    const std::span<const float> heard = cutter_.under_way();
    if (heard.empty() || cancelled_) return "";
    const TextCallback go_on = [this](const std::string&) { return !on_text_ || on_text_(""); };
    const GenerateResult answer =
        under_way_ ? Ask(under_way_->listening->Conversation(), options_.generate, go_on)
                   : Ask(Question({heard.begin(), heard.end()}, SpeechPrompt(options_)),
                         options_.generate, go_on);
    return ReadAnswer(answer.text, options_).text;
  }

  std::string DetectLanguage(std::span<const float> samples) override {
    if (samples.empty() || cancelled_) return "";
    GenerateOptions generate = options_.generate;
    generate.max_tokens = 12;
    const size_t most = static_cast<size_t>(engine_->facts().max_clip_seconds * kRate);
    const std::span<const float> heard = samples.first(std::min(most, samples.size()));
    const std::string answer =
        Ask(Question({heard.begin(), heard.end()},
                     "Which language is spoken in the following speech segment? Answer with its "
                     "English name only."),
            generate, nullptr)
            .text;
    return LanguageIn(answer);
  }

 private:
  using Clock = std::chrono::steady_clock;

  // A piece that was cut; it waits for its answer, or for those before it.
  struct Asked {
    Piece piece;  // its samples are the question's
    bool ended;
    GenerateResult answer = {};
    std::exception_ptr error = nullptr;
    std::string untold = "";                         // text that came before its turn
    std::vector<Turn> question = {};                 // until it has ended
    double temperature = -1, compression_ratio = 0;  // of the answer
  };

  std::vector<Turn> Question(std::vector<float> samples, const std::string& prompt) const {
    std::vector<Turn> turns;
    if (!options_.system.empty()) turns.push_back({Role::kSystem, {Part(options_.system)}});
    turns.push_back({Role::kUser, {Part(AudioClip{std::move(samples)}), Part(prompt)}});
    return turns;
  }

  // A piece that goes on, whose sound is read as it comes.
  struct UnderWay {
    int64_t first_sample;
    std::unique_ptr<Listening> listening;
    size_t pushed = 0;
  };

  void ReadMeanwhile() {
    const PieceCutter::Heard heard = cutter_.heard();
    if (heard.samples.empty()) return;
    const auto begin = Clock::now();
    if (!under_way_ || under_way_->first_sample != heard.first_sample) {
      under_way_.reset();
      under_way_.emplace(
          UnderWay{heard.first_sample,
                   sessions_->Listen(Question({}, SpeechPrompt(options_)), options_.generate)});
    }
    UnderWay& piece = *under_way_;
    // Some of what was taken for speech may have been taken back.
    if (heard.samples.size() > piece.pushed) {
      piece.listening->Push(heard.samples.subspan(piece.pushed));
      piece.pushed = heard.samples.size();
    }
    if (cutter_.pausing()) piece.listening->ReadOn();
    CountTime(begin);
  }

  std::vector<Turn> QuestionAbout(Piece& piece) {
    const std::optional<UnderWay> read = std::exchange(under_way_, std::nullopt);
    // Where it begins later or ends sooner than it seemed, it is read again.
    if (!read || read->first_sample != piece.first_sample || read->pushed > piece.samples.size()) {
      return Question(std::move(piece.samples), SpeechPrompt(options_));
    }
    ++timings_.read_meanwhile;
    read->listening->Push(std::span(piece.samples).subspan(read->pushed));
    return read->listening->Conversation();
  }

  void CountTime(Clock::time_point begin) {
    timings_.answer_ms += std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }

  // Beside the pieces: fewer are under way than may be.
  GenerateResult Ask(const std::vector<Turn>& question, const GenerateOptions& generate,
                     const TextCallback& on_text) {
    const auto begin = Clock::now();
    std::optional<GenerateResult> answer;
    std::exception_ptr failure;
    answerer_->Add({.turns = question,
                    .options = generate,
                    .on_text = on_text,
                    .on_progress = [&](const Progress&) { return !on_text || on_text(""); },
                    .on_done =
                        [&](GenerateResult result, std::exception_ptr error) {
                          answer = std::move(result);
                          failure = error;
                        }});
    while (!answer) answerer_->Advance();
    CountTime(begin);
    if (failure != nullptr) std::rethrow_exception(failure);
    return *answer;
  }

  bool TakeAll(std::vector<Piece> pieces, const SegmentCallback& on_segment) {
    if (cancelled_) return false;
    for (Piece& piece : pieces) {
      const bool speech = piece.likeness >= options_.least_likeness;
      if (!speech) piece.samples = {};  // it may wait for long behind speech
      asked_.push_back(std::make_unique<Asked>(Asked{std::move(piece), !speech}));
      if (speech) {
        try {
          Begin(*asked_.back());
        } catch (...) {
          asked_.pop_back();
          throw;
        }
      }
      const bool many = asked_.size() > 2 * answerer_->most();
      if (!AnswerTill(many ? 0 : answerer_->most() - 1, on_segment)) return false;
    }
    return true;
  }

  void Begin(Asked& asked) {
    asked.question = QuestionAbout(asked.piece);
    Answer(asked, options_.generate);
  }

  void Answer(Asked& asked, const GenerateOptions& generate) {
    const double temperature = *generate.sampling.temperature;
    answerer_->Add(
        {.turns = asked.question,
         .options = generate,
         .on_text = [this, &asked](const std::string& text) { return Tell(asked, text); },
         .on_progress = [this, &asked](const Progress&) { return Tell(asked, ""); },
         .on_done =
             [this, &asked, temperature](GenerateResult result, std::exception_ptr error) {
               Answered(asked, std::move(result), error, temperature);
             }});
  }

  // An answer that goes round in circles may not be the last one to its question.
  void Answered(Asked& asked, GenerateResult result, std::exception_ptr error, double temperature) {
    const bool whole = error == nullptr && result.finish_reason != FinishReason::kCancelled;
    const double ratio = CompressionRatio(result.text);
    if (asked.temperature < 0) {
      timings_.audio_tokens += result.timings.audio_tokens;
      timings_.text_tokens +=
          static_cast<int64_t>(result.prompt_token_ids.size()) - result.timings.audio_tokens;
    }
    timings_.answer_tokens += static_cast<int64_t>(result.token_ids.size());
    asked.error = error;
    if (!whole || asked.temperature < 0 || ratio < asked.compression_ratio) {
      asked.compression_ratio = ratio;
      asked.temperature = temperature;
      asked.answer = std::move(result);
    }
    const double hotter = temperature + kHotter;
    asked.ended = !whole || options_.most_compression == 0 || ratio <= options_.most_compression ||
                  hotter > 1 + kHotter / 2;
    if (asked.ended) {
      asked.question.clear();
      return;
    }
    asked.untold.clear();
    GenerateOptions generate = options_.generate;
    generate.sampling.temperature = std::min(hotter, 1.0);
    if (!generate.sampling.seed) {
      generate.sampling.seed = static_cast<uint64_t>(asked.piece.first_sample);
    }
    try {
      Answer(asked, generate);
    } catch (...) {
      asked.error = std::current_exception();
      asked.ended = true;
    }
  }

  // Text of a piece, which is told once all before it are.
  bool Tell(Asked& asked, const std::string& text) {
    if (!on_text_) return true;
    asked.untold += text;
    const bool first = &asked == asked_.front().get();
    if (!on_text_(first ? std::exchange(asked.untold, "") : "")) cancelled_ = true;
    return !cancelled_;
  }

  // Goes on with the answers until at most `most` are under way.
  bool AnswerTill(size_t most, const SegmentCallback& on_segment) {
    while (TakeAnswers(on_segment)) {
      if (answerer_->size() <= most) return true;
      const auto begin = Clock::now();
      answerer_->Advance();
      CountTime(begin);
    }
    cancelled_ = true;
    return false;
  }

  // Those that have ended, in the order of the sound.
  bool TakeAnswers(const SegmentCallback& on_segment) {
    while (!asked_.empty() && asked_.front()->ended) {
      const std::unique_ptr<Asked> asked = std::move(asked_.front());
      asked_.pop_front();
      if (asked->error != nullptr) std::rethrow_exception(asked->error);
      if (!asked->untold.empty() && !on_text_(asked->untold)) return false;
      if (!Take(*asked, on_segment)) return false;
    }
    return !cancelled_;
  }

  // A segment is held back while the next piece overlaps it.
  bool Take(const Asked& asked, const SegmentCallback& on_segment) {
    const Piece& piece = asked.piece;
    if (piece.likeness < options_.least_likeness) {
      ++timings_.passed_over;
      return Settle(on_segment);
    }
    if (!piece.overlaps && !Settle(on_segment)) return false;
    const double end_s = static_cast<double>(piece.speech_end) / kRate;
    Segment segment{.start_s = static_cast<double>(piece.speech_begin) / kRate, .end_s = end_s};
    segment.no_speech = 1 - piece.likeness;
    timings_.speech_s += segment.end_s - segment.start_s;
    if (asked.answer.finish_reason == FinishReason::kCancelled) return false;
    segment.average_logprob = MeanLogprob(asked.answer);
    segment.temperature = asked.temperature;
    segment.compression_ratio = asked.compression_ratio;
    segment.tokens = asked.answer.logprobs;
    const SpeechTexts texts = ReadAnswer(asked.answer.text, options_);
    segment.text = texts.text;
    segment.translation = texts.translation;
    ++timings_.pieces;
    if ((segment.text.empty() && segment.translation.empty()) ||
        segment.average_logprob < options_.least_logprob) {
      ++timings_.passed_over;
      return true;
    }
    if (held_) {
      std::tie(held_->text, segment.text) = Join(held_->text, segment.text);
      std::tie(held_->translation, segment.translation) =
          Join(held_->translation, segment.translation);
      held_->end_s = std::min(held_->end_s, segment.start_s);
      held_->goes_on = true;
      if (!Settle(on_segment)) return false;
    }
    held_ = std::move(segment);
    return piece.goes_on || Settle(on_segment);
  }

  bool Settle(const SegmentCallback& on_segment) {
    if (!held_) return true;
    const Segment segment = *std::exchange(held_, std::nullopt);
    settled_s_ = segment.end_s;
    return (segment.text.empty() && segment.translation.empty()) || on_segment(segment);
  }

  std::shared_ptr<Engine> engine_;
  TranscribeOptions options_;
  PieceCutter cutter_;
  std::deque<std::unique_ptr<Asked>> asked_;
  bool cancelled_ = false;
  TextCallback on_text_;
  std::optional<Segment> held_;
  double settled_s_ = 0;
  TranscribeTimings timings_;
  SessionAnswerer* sessions_ = nullptr;  // where the answerer is our own
  std::unique_ptr<Answerer> answerer_;
  std::optional<UnderWay> under_way_;  // of live sound, with a session that is free
};

}  // namespace

std::unique_ptr<Transcriber> Transcriber::New(std::shared_ptr<Engine> engine,
                                              const TranscribeOptions& options) {
  return std::make_unique<TranscriberOfEngine>(std::move(engine), options);
}

std::unique_ptr<Transcriber> Transcriber::New(std::shared_ptr<Engine> engine,
                                              const TranscribeOptions& options,
                                              std::unique_ptr<Answerer> answerer) {
  if (options.live) {
    throw Error(ErrorKind::kUsage, "live sound: only in sessions of its own");
  }
  return std::make_unique<TranscriberOfEngine>(std::move(engine), options, std::move(answerer));
}

}  // namespace gemma3n
