// SPDX-License-Identifier: Apache-2.0
// Speech of any length -> text with times, or its translation. docs/speech.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gemma3n/answerer.h"
#include "gemma3n/engine.h"

namespace gemma3n {

enum class SpeechTask {
  kTranscribe,
  kTranslate,            // asked for directly
  kTranscribeTranslate,  // asked to write down what is said first, then to translate it
};

struct TranscribeOptions {
  SpeechTask task = SpeechTask::kTranscribe;
  // Names of languages as they stand in prompts, such as "Spanish"; empty `language`: as heard.
  std::string language, to_language = "English";
  std::string prompt;  // instead of SpeechPrompt
  std::string system;  // before each question, as the system's turn; "": none
  // Longest piece of sound, seconds; 0: what the model hears at once, which is also the most.
  double piece_seconds = 0;
  // A pause of this length always ends a piece; 0: 0.8, or an eighth of a shorter longest piece.
  double pause_seconds = 0;
  // Pieces that are less like speech are passed over, [0, 1]; 0: none is.
  double least_likeness = 0.3;
  // A piece whose answer has a lower mean log-probability is passed over; -infinity: none is.
  double least_logprob = -2;
  // A piece whose answer goes round in circles (its compression_ratio is higher) is asked about
  // again at temperatures 0.2 higher each time, up to 1, until one does not; the one that does so
  // least is taken. 0: never. Seeds are fixed where none is given.
  double most_compression = 2.4;
  // Pieces that are answered at once, 1 to 64: segments are the same and take less time in all, but
  // come later. 0: as many as pay and memory holds.
  int64_t together = 1;
  // Sound comes no faster than it is spoken: a piece is read while it goes on, so that its answer
  // comes sooner after its end. One piece at a time then.
  bool live = false;
  GenerateOptions generate;  // sampling: unset temperature is 0 here
};

// What a model is asked about each piece.
std::string SpeechPrompt(const TranscribeOptions& options);

struct Segment {
  double start_s, end_s;    // since the beginning of the sound, of its first and last sound
  std::string text;         // what is said; of kTranslate the translation
  std::string translation;  // of kTranscribeTranslate
  double average_logprob;   // of the answer's tokens, natural logarithm
  double no_speech;         // 0: surely speech, 1: surely none; by its sound alone
  bool goes_on = false;     // there was no pause before the next one: not a place to begin again
  double temperature = 0;   // that it was answered at
  // Bytes of the answer to each byte of it deflated.
  double compression_ratio = 0;
  std::vector<TokenLogprob> tokens = {};  // of the answer, as the model gave it
};

// Called in order, as soon as a segment will not change any more; false ends the work.
using SegmentCallback = std::function<bool(const Segment& segment)>;

struct TranscribeTimings {
  double heard_s = 0;   // of sound, pushed so far
  double speech_s = 0;  // of it in pieces that were answered
  int64_t pieces = 0, passed_over = 0;
  int64_t read_meanwhile = 0;  // of the pieces, those that were read while they went on
  double answer_ms = 0;        // spent in the model
  int64_t text_tokens = 0, audio_tokens = 0, answer_tokens = 0;  // of questions and answers
};

// One recording under way. Not safe to use from two threads at once, nor beside other sessions of
// the engine at the same time.
class Transcriber {
 public:
  // Throws Error (kUsage, kRequest) for options out of range and a model that does not hear.
  static std::unique_ptr<Transcriber> New(std::shared_ptr<Engine> engine,
                                          const TranscribeOptions& options);
  // The same, with what it asks answered by another, as many pieces at once as that one takes
  // (`together` says nothing); `live` is not for these (kUsage). Touches of the engine no more than
  // its facts and tokenizer.
  static std::unique_ptr<Transcriber> New(std::shared_ptr<Engine> engine,
                                          const TranscribeOptions& options,
                                          std::unique_ptr<Answerer> answerer);
  virtual ~Transcriber() = default;

  // Samples at 16 kHz, one channel, that follow those before (what is no number counts as 0); false
  // when a callback said so. Less than `together` pieces still wait for their answers afterwards.
  // Throws what Session::Generate does.
  virtual bool Push(std::span<const float> samples, const SegmentCallback& on_segment) = 0;
  // The sound has ended. Once this or Push has returned false nothing more is done.
  virtual bool Finish(const SegmentCallback& on_segment) = 0;

  // Before anything is pushed: what comes first is this sample of the sound.
  virtual void BeginAt(int64_t sample) = 0;
  // The answer to the first piece under way as it comes; may be empty. False ends the work.
  virtual void OnText(TextCallback on_text) = 0;
  // The end of the last segment that will not change: a later Transcriber may begin there.
  virtual double settled_s() const = 0;
  virtual TranscribeTimings timings() const = 0;
  // What has been understood of the piece under way, while it goes on; "" between pieces. It is
  // heard anew each time, and may change until the piece ends.
  virtual std::string Partial() = 0;
  // Which language a piece of speech is in, in the model's words.
  virtual std::string DetectLanguage(std::span<const float> samples) = 0;
};

}  // namespace gemma3n
