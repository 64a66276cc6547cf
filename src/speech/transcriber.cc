// SPDX-License-Identifier: Apache-2.0
// Pieces of speech, each asked about in a conversation of its own, in the order of the sound.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "gemma3n/error.h"
#include "gemma3n/transcribe.h"
#include "speech/answer_text.h"
#include "speech/joint.h"
#include "speech/pieces.h"

namespace gemma3n {
namespace {

constexpr double kRate = static_cast<double>(VoiceActivity::kRateHz);
constexpr int64_t kPromptTokens = 256;  // about what a question takes beside the sound

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

int64_t ContextFor(const Engine& engine, const GenerateOptions& generate) {
  const ModelFacts& facts = engine.facts();
  return std::min(facts.max_context, facts.audio_tokens + kPromptTokens + generate.max_tokens);
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
      : engine_(std::move(engine)),
        options_(options),
        cutter_(CutterOptions(*engine_, options)),
        session_(engine_->NewSession(ContextFor(*engine_, options.generate))) {
    GenerateOptions& generate = options_.generate;
    if (!generate.sampling.temperature) generate.sampling.temperature = 0;
    generate.top_logprobs = std::max(0, generate.top_logprobs);
  }

  bool Push(std::span<const float> samples, const SegmentCallback& on_segment) override {
    timings_.heard_s += static_cast<double>(samples.size()) / kRate;
    return TakeAll(cutter_.Push(samples), on_segment);
  }

  bool Finish(const SegmentCallback& on_segment) override {
    return TakeAll(cutter_.Finish(), on_segment) && Settle(on_segment);
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
    if (heard.empty()) return "";
    const GenerateResult answer =
        Ask({heard.begin(), heard.end()}, SpeechPrompt(options_), options_.generate,
            [this](const std::string&) { return !on_text_ || on_text_(""); });
    return ReadAnswer(answer.text, options_).text;
  }

  std::string DetectLanguage(std::span<const float> samples) override {
    if (samples.empty()) return "";
    GenerateOptions generate = options_.generate;
    generate.max_tokens = 12;
    const size_t most = static_cast<size_t>(engine_->facts().max_clip_seconds * kRate);
    const std::span<const float> heard = samples.first(std::min(most, samples.size()));
    const std::string answer =
        Ask({heard.begin(), heard.end()},
            "Which language is spoken in the following speech segment? Answer with its English "
            "name only.",
            generate, nullptr)
            .text;
    return LanguageIn(answer);
  }

 private:
  GenerateResult Ask(std::vector<float> samples, const std::string& prompt,
                     const GenerateOptions& generate, const TextCallback& on_text) {
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<Turn> turns = {
        {Role::kUser, {Part(AudioClip{std::move(samples)}), Part(prompt)}}};
    const GenerateResult result = session_->Generate(
        turns, generate, on_text, [&](const Progress&) { return !on_text || on_text(""); });
    timings_.answer_ms +=
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    return result;
  }

  bool TakeAll(std::vector<Piece> pieces, const SegmentCallback& on_segment) {
    for (Piece& piece : pieces) {
      if (!Take(piece, on_segment)) return false;
    }
    return true;
  }

  // A segment is held back while the next piece overlaps it.
  bool Take(Piece& piece, const SegmentCallback& on_segment) {
    if (piece.likeness < options_.least_likeness) {
      ++timings_.passed_over;
      return Settle(on_segment);
    }
    if (!piece.overlaps && !Settle(on_segment)) return false;
    const double end_s = static_cast<double>(piece.speech_end) / kRate;
    Segment segment{.start_s = static_cast<double>(piece.speech_begin) / kRate, .end_s = end_s};
    segment.no_speech = 1 - piece.likeness;
    timings_.speech_s += segment.end_s - segment.start_s;
    const GenerateResult answer =
        Ask(std::move(piece.samples), SpeechPrompt(options_), options_.generate, on_text_);
    if (answer.finish_reason == FinishReason::kCancelled) return false;
    segment.average_logprob = MeanLogprob(answer);
    const SpeechTexts texts = ReadAnswer(answer.text, options_);
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
  std::unique_ptr<Session> session_;
  TextCallback on_text_;
  std::optional<Segment> held_;
  double settled_s_ = 0;
  TranscribeTimings timings_;
};

}  // namespace

std::unique_ptr<Transcriber> Transcriber::New(std::shared_ptr<Engine> engine,
                                              const TranscribeOptions& options) {
  return std::make_unique<TranscriberOfEngine>(std::move(engine), options);
}

}  // namespace gemma3n
