// SPDX-License-Identifier: Apache-2.0
// `gemma3n transcribe` and `gemma3n translate`: speech of any length to text, subtitles or JSON.
#include "gemma3n/transcribe.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/live_line.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/speech_args.h"
#include "cli/terminal.h"
#include "cli/transcript_file.h"
#include "gemma3n/error.h"
#include "gemma3n/sound_stream.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kTranscribeHelp[] =
    R"(Recordings of any length are cut at pauses into pieces that the
model hears at once. With -o, what was done when the work was ended is kept, and the same command
goes on from there.

Examples:
  gemma3n transcribe -m DIR talk.mp3
  gemma3n transcribe -m DIR film.mp4 -o film.srt
  gemma3n transcribe -m DIR recordings/ --out-dir texts --format vtt
  gemma3n transcribe -m DIR interview.m4a --language Spanish --task translate --to German
  gemma3n transcribe -m DIR --mic
  ffmpeg -i URL -f wav - | gemma3n transcribe -m DIR - --live
)";
constexpr char kTranslateHelp[] = R"(The same as `gemma3n transcribe --task translate`.

Examples:
  gemma3n translate -m DIR --to German interview.m4a
  gemma3n translate -m DIR --to English --by-transcript film.mkv -o film.srt
)";

// Of standard input; false when Ctrl-C came first.
bool WaitForInput(const std::string& source) {
  return source != "-" || WaitForStandardInput();
}

std::unique_ptr<SoundStream> OpenSound(const SpeechArgs& args, const std::string& source) {
  if (args.use_microphone) {
    return SoundStream::OpenMicrophone(args.microphone.empty() ? "default" : args.microphone,
                                       args.media);
  }
  if (source == "-") {
    if (!WaitForInput(source)) return nullptr;
    return SoundStream::OpenDescriptor(STDIN_FILENO, "standard input", ParseRaw(args.raw),
                                       args.media);
  }
  return SoundStream::Open(source, args.media);
}

// One recording from its first to its last sample.
class Recording {
 public:
  Recording(const SpeechArgs& args, std::shared_ptr<Engine> engine, std::string source,
            std::string path)
      : args_(args),
        engine_(std::move(engine)),
        source_(std::move(source)),
        sound_(OpenSound(args, source_)),
        live_(args.live || args.use_microphone),
        comes_once_(live_ || source_ == "-"),
        line_(live_ && !args.output.quiet),
        bar_(!live_ && !args.output.quiet, ProgressBar::Unit::kSeconds),
        options_(args.speech),
        file_({.path = path,
               .format = FormatOf(args.format, path),
               .with_times = args.with_times || live_,
               .raw_output = args.output.raw_output,
               .job = comes_once_ ? "" : Job(),
               .restart = args.restart}) {
    // What comes as it is said is to be read as it is said.
    options_.together = args.together.value_or(comes_once_ ? 1 : 0);
    options_.live = live_;
  }

  // 0, or 130 when it was ended before the end.
  int Run() {
    if (sound_ == nullptr) return 130;
    if (file_.count() > 0 && !Skip(file_.begins_at_s() - sound_->start_s())) return 130;
    if (!Begin()) return Ended();
    std::vector<float> samples(live_ ? 3200 : 16000);
    bool drained = true;
    while (!Interrupted()) {
      if (drained && !WaitForInput(source_)) break;
      const size_t count = sound_->Read(samples);
      if (count == 0) break;
      drained = count < samples.size();
      if (!Hear(std::span(samples).first(count))) return Ended();
    }
    // A microphone has no other end than Ctrl-C, and of what comes only once all is kept that came.
    const bool ended = Interrupted() && !comes_once_;
    if (ended || !transcriber_->Finish(TakeSegment())) return Ended();
    bar_.Clear();
    line_.Clear();
    file_.Finish({.source = source_,
                  .language = options_.language,
                  .prompt = SpeechPrompt(options_),
                  .duration_s = sound_->start_s() + skipped_s_ + transcriber_->timings().heard_s});
    Report();
    return Interrupted() && !args_.use_microphone ? 130 : 0;
  }

 private:
  // All that changes what is written.
  std::string Job() const {
    const TranscribeOptions& speech = args_.speech;
    const SamplingOptions& sampling = speech.generate.sampling;
    return JobOf(source_, {{"model", args_.model.model},
                           {"size", args_.model.size},
                           {"kv", static_cast<int>(args_.model.kv)},
                           {"task", static_cast<int>(speech.task)},
                           {"prompt", SpeechPrompt(speech)},
                           {"system", speech.system},
                           {"to", speech.to_language},
                           {"detect", args_.detect_language},
                           {"piece", speech.piece_seconds},
                           {"pause", speech.pause_seconds},
                           {"likeness", speech.least_likeness},
                           {"logprob", speech.least_logprob},
                           {"compression", speech.most_compression},
                           {"max_tokens", speech.generate.max_tokens},
                           {"temperature", sampling.temperature.value_or(0)},
                           {"seed", sampling.seed.value_or(0)},
                           {"top_k", sampling.top_k.value_or(-1)},
                           {"top_p", sampling.top_p.value_or(-1)},
                           {"min_p", sampling.min_p},
                           {"penalty", sampling.repetition_penalty},
                           {"logit_bias", sampling.logit_bias},
                           {"stop", speech.generate.stop}});
  }

  // Passes over what an earlier run has written down.
  bool Skip(double seconds) {
    int64_t left = std::max<int64_t>(0, std::llround(seconds * 16000));
    if (!args_.output.quiet) {
      Tell("going on at " + ShortClock(seconds) + ", where an earlier run ended");
    }
    begin_ = left;
    std::vector<float> samples(16000);
    while (left > 0 && !Interrupted()) {
      const size_t wanted = std::min<size_t>(samples.size(), static_cast<size_t>(left));
      const size_t count = sound_->Read(std::span(samples).first(wanted));
      if (count == 0) break;
      left -= static_cast<int64_t>(count);
    }
    skipped_s_ = seconds;
    return !Interrupted();
  }

  // Hears what telling the language took; false when it was ended.
  bool Begin() {
    if (args_.detect_language && options_.language.empty()) DetectLanguage();
    transcriber_ = Transcriber::New(engine_, options_);
    transcriber_->BeginAt(begin_);
    transcriber_->OnText([this](const std::string& text) {
      if (live_) partial_ += text;
      if (live_ && !text.empty()) line_.Say(partial_);
      return !Interrupted() || comes_once_;
    });
    if (live_ && !args_.output.quiet) {
      Tell(args_.use_microphone ? "listening (Ctrl-C ends)" : "listening");
    }
    const std::vector<float> heard = std::exchange(held_back_, {});
    return heard.empty() || transcriber_->Push(heard, TakeSegment());
  }

  // By the first half minute, which is then heard as well.
  void DetectLanguage() {
    const size_t wanted = static_cast<size_t>(engine_->facts().max_clip_seconds * 16000);
    while (held_back_.size() < wanted && !Interrupted()) {
      std::vector<float> samples(wanted - held_back_.size());
      const size_t count = sound_->Read(samples);
      if (count == 0) break;
      held_back_.insert(held_back_.end(), samples.begin(),
                        samples.begin() + static_cast<ptrdiff_t>(count));
    }
    TranscribeOptions one = options_;
    one.together = 1;
    options_.language = Transcriber::New(engine_, one)->DetectLanguage(held_back_);
    if (!args_.output.quiet) Tell("language: " + OneLine(options_.language));
  }

  SegmentCallback TakeSegment() {
    return [this](Segment segment) {
      line_.Clear();
      if (args_.out.empty()) bar_.Clear();
      partial_.clear();
      // A film's sound may begin before or after its first picture, which is where its clock
      // begins.
      segment.start_s = std::max(0.0, segment.start_s + sound_->start_s());
      segment.end_s = std::max(segment.start_s, segment.end_s + sound_->start_s());
      return file_.Add(segment);
    };
  }

  bool Hear(std::span<const float> samples) {
    if (!transcriber_->Push(samples, TakeSegment())) return false;
    if (!live_) {
      const double heard = skipped_s_ + transcriber_->timings().heard_s;
      ShowProgress(heard);
      return true;
    }
    line_.Hear(samples);
    // What is understood so far, as often as there is time for it: a third of the whole at most.
    const auto now = Clock::now();
    if (now < next_partial_) return true;
    line_.Say(transcriber_->Partial());
    const auto took = Clock::now() - now;
    next_partial_ = Clock::now() + std::max<Clock::duration>(2 * took, std::chrono::seconds(1));
    return true;
  }

  void ShowProgress(double heard) {
    const double whole = std::max(heard, sound_->duration_s());
    bar_.Show({OneLine(source_), static_cast<int64_t>(heard), static_cast<int64_t>(whole) + 1});
  }

  int Ended() {
    bar_.Clear();
    line_.Clear();
    if (!args_.output.quiet && file_.count() > 0 && file_.keeps_part()) {
      Tell("ended at " + ShortClock(file_.begins_at_s()) + "; the same command goes on from there");
    }
    return 130;
  }

  void Report() const {
    if (!args_.output.stats) return;
    const TranscribeTimings t = transcriber_->timings();
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    char text[200];
    std::snprintf(text, sizeof(text),
                  "sound %s, speech %s in %lld pieces, %lld passed over; %.1f s, %.1f x real time",
                  ShortClock(t.heard_s).c_str(), ShortClock(t.speech_s).c_str(),
                  static_cast<long long>(t.pieces), static_cast<long long>(t.passed_over), seconds,
                  t.heard_s / std::max(seconds, 1e-9));
    Tell(OneLine(source_) + ": " + text);
  }

  const SpeechArgs& args_;
  std::shared_ptr<Engine> engine_;
  std::string source_;
  std::unique_ptr<SoundStream> sound_;
  bool live_;
  bool comes_once_;  // a microphone, a pipe, or what is followed live: it cannot be gone on with
  LiveLine line_;
  ProgressBar bar_;
  TranscribeOptions options_;
  TranscriptFile file_;
  std::unique_ptr<Transcriber> transcriber_;
  std::vector<float> held_back_;
  std::string partial_;
  int64_t begin_ = 0;
  double skipped_s_ = 0;
  Clock::time_point began_ = Clock::now(), next_partial_ = Clock::now();
};

int Transcribe(SpeechArgs& args) {
  args.generate.Finish();
  args.speech.task = TaskOf(args);
  args.speech.system = args.generate.system;
  if (args.show_prompt) {
    const std::string system = args.speech.system;
    Put((system.empty() ? "" : system + "\n\n") + SpeechPrompt(args.speech) + "\n");
    return 0;
  }
  CheckArgs(args);
  const auto engine = args.model.Load(args.output.quiet);
  args.generate.ReadSizes(*engine);
  args.speech.generate = args.generate.options;
  int failed = 0;
  for (const std::string& source : args.inputs) {
    try {
      if (args.inputs.size() > 1 && args.out_dir.empty() && !args.output.quiet) Tell(source);
      const int code = Recording(args, engine, source, PathFor(args, source)).Run();
      if (code != 0) return code;
    } catch (const Error& error) {
      // One recording that is bad does not keep the others from being heard.
      if (args.inputs.size() == 1 || error.kind() != ErrorKind::kMedia) throw;
      Tell(error.what());
      failed = 4;
    }
  }
  return failed;
}

}  // namespace

void AddTranscribe(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("transcribe", "Write down what is said in sounds and films of any length");
  auto args = std::make_shared<SpeechArgs>();
  AddSpeechOptions(*command, *args);
  command->add_option("--task", args->task, "transcribe or translate")
      ->check(CLI::IsMember({"transcribe", "translate"}))
      ->capture_default_str();
  command->footer(kTranscribeHelp);
  command->callback([args, &exit_code] { exit_code = Transcribe(*args); });
}

void AddTranslate(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("translate", "Translate what is said in sounds and films");
  auto args = std::make_shared<SpeechArgs>();
  AddSpeechOptions(*command, *args);
  command->footer(kTranslateHelp);
  command->callback([args, &exit_code] {
    args->task = "translate";
    exit_code = Transcribe(*args);
  });
}

}  // namespace gemma3n::cli
