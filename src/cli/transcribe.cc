// SPDX-License-Identifier: Apache-2.0
// `gemma3n transcribe` and `gemma3n translate`: speech of any length to text, subtitles or JSON.
#include "gemma3n/transcribe.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/live_line.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "cli/transcript_file.h"
#include "gemma3n/error.h"
#include "gemma3n/sound_stream.h"

namespace gemma3n::cli {
namespace {

namespace fs = std::filesystem;
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

struct SpeechArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaOptions media;
  TranscribeOptions speech;
  std::vector<std::string> inputs;
  std::string out, out_dir, format, task = "transcribe", microphone, raw;
  bool detect_language = false, by_transcript = false, show_prompt = false, with_times = false;
  bool live = false, use_microphone = false, restart = false;
};

bool IsRecording(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> head(4096);
  file.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  const MediaKind kind = DetectMediaKind(head).kind;
  return kind == MediaKind::kAudio || kind == MediaKind::kVideo;
}

// Folders become the recordings in them, at any depth, by name.
std::vector<std::string> Recordings(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      files.push_back(input);
      continue;
    }
    std::vector<std::string> found;
    for (fs::recursive_directory_iterator at(input, error), end; !error && at != end;
         at.increment(error)) {
      std::error_code ignored;
      if (at->is_regular_file(ignored) && IsRecording(at->path())) found.push_back(at->path());
    }
    if (found.empty()) {
      throw Error(ErrorKind::kMedia, input + ": expected sounds or films in it, found none");
    }
    std::sort(found.begin(), found.end());
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

// "16000,1,s16".
std::optional<RawSound> ParseRaw(const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::vector<std::string> words(1);
  for (char c : text) {
    if (c == ',') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  RawSound raw;
  const auto number = [&](size_t i) {
    return static_cast<int>(words.size() > i ? ParseNumber(words[i]).value_or(0) : 0);
  };
  raw.rate_hz = number(0);
  raw.channels = number(1);
  const std::string format = words.size() == 3 ? words[2] : "";
  raw.format = format == "f32" ? RawSound::Format::kF32 : RawSound::Format::kS16;
  if (raw.rate_hz <= 0 || raw.channels <= 0 || (format != "s16" && format != "f32")) {
    throw Error(
        ErrorKind::kUsage,
        "--raw: expected RATE,CHANNELS,s16 or f32, such as 16000,1,s16, found " + OneLine(text));
  }
  return raw;
}

std::unique_ptr<SoundStream> OpenSound(const SpeechArgs& args, const std::string& source) {
  if (args.use_microphone) {
    return SoundStream::OpenMicrophone(args.microphone.empty() ? "default" : args.microphone,
                                       args.media);
  }
  if (source == "-") {
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
        line_(live_ && !args.output.quiet),
        bar_(!live_ && !args.output.quiet),
        options_(args.speech),
        file_({.path = path,
               .format = args.output.json && args.format.empty() ? TranscriptFormat::kJson
                                                                 : FormatOf(args.format, path),
               .with_times = args.with_times || live_,
               .raw_output = args.output.raw_output,
               .job = args.restart || live_ ? "" : Job()}) {}

  // 0, or 130 when it was ended before the end.
  int Run() {
    if (file_.count() > 0 && !Skip(file_.begins_at_s() - sound_->start_s())) return 130;
    Begin();
    std::vector<float> samples(live_ ? 3200 : 16000);
    while (!Interrupted()) {
      const size_t count = sound_->Read(samples);
      if (count == 0) break;
      if (!Hear(std::span(samples).first(count))) return Ended();
    }
    // A microphone has no other end than Ctrl-C.
    const bool ended = Interrupted() && !args_.use_microphone;
    if (ended || !transcriber_->Finish(TakeSegment())) return Ended();
    bar_.Clear();
    line_.Clear();
    file_.Finish({.source = source_,
                  .language = options_.language,
                  .prompt = SpeechPrompt(options_),
                  .duration_s = skipped_s_ + transcriber_->timings().heard_s});
    Report();
    return 0;
  }

 private:
  std::string Job() const {
    return JobOf(source_, args_.model.model + " " + args_.model.size + " " +
                              SpeechPrompt(args_.speech) + " " +
                              std::to_string(args_.speech.piece_seconds) + " " +
                              std::to_string(args_.speech.pause_seconds));
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

  void Begin() {
    if (args_.detect_language && options_.language.empty()) DetectLanguage();
    transcriber_ = Transcriber::New(engine_, options_);
    transcriber_->BeginAt(begin_);
    transcriber_->OnText([this](const std::string& text) {
      if (live_) partial_ += text;
      if (live_ && !text.empty()) line_.Say(partial_);
      return !Interrupted() || args_.use_microphone;
    });
    if (live_ && !args_.output.quiet) {
      Tell(args_.use_microphone ? "listening (Ctrl-C ends)" : "listening");
    }
    if (held_back_.empty()) return;
    transcriber_->Push(held_back_, TakeSegment());
    held_back_ = {};
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
    options_.language = Transcriber::New(engine_, options_)->DetectLanguage(held_back_);
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
    const double whole = sound_->duration_s();
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    char speed[48];
    std::snprintf(speed, sizeof(speed), "%.1f x real time",
                  seconds > 0 ? transcriber_->timings().heard_s / seconds : 0);
    const std::string what = OneLine(source_) + " " + ShortClock(heard) +
                             (whole > 0 ? "/" + ShortClock(whole) : "") + " " + speed;
    bar_.Show({what, static_cast<int64_t>(heard * 10),
               static_cast<int64_t>(std::max(heard, whole) * 10) + 1});
  }

  int Ended() {
    bar_.Clear();
    line_.Clear();
    if (!args_.output.quiet && file_.count() > 0 && !Path().empty()) {
      Tell("ended at " + ShortClock(transcriber_->settled_s()) +
           "; the same command goes on from there");
    }
    return 130;
  }
  const std::string& Path() const { return args_.out.empty() ? args_.out_dir : args_.out; }

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

std::string PathFor(const SpeechArgs& args, const std::string& source) {
  if (args.out_dir.empty()) return args.out;
  const std::string name = source == "-" ? "standard-input" : fs::path(source).filename().string();
  return fs::path(args.out_dir) / (name + "." + (args.format.empty() ? "txt" : args.format));
}

void CheckArgs(SpeechArgs& args) {
  if (args.use_microphone != args.inputs.empty()) {
    throw Error(ErrorKind::kUsage, args.use_microphone
                                       ? "--mic: expected no files beside it"
                                       : "expected a recording, - or --mic, found nothing");
  }
  if (args.use_microphone) args.inputs = {"microphone"};
  args.inputs = Recordings(args.inputs);
  if (args.inputs.size() > 1 && !args.out.empty()) {
    throw Error(ErrorKind::kUsage, "-o: expected one recording, found " +
                                       std::to_string(args.inputs.size()) +
                                       "; --out-dir takes a text for each");
  }
  args.speech.task = args.task == "transcribe" ? SpeechTask::kTranscribe
                     : args.by_transcript      ? SpeechTask::kTranscribeTranslate
                                               : SpeechTask::kTranslate;
  args.speech.generate = args.generate.options;
  if (!args.out_dir.empty()) fs::create_directories(args.out_dir);
}

int Transcribe(SpeechArgs& args) {
  args.generate.Finish();
  if (args.show_prompt) {
    args.speech.task = args.task == "transcribe" ? SpeechTask::kTranscribe
                       : args.by_transcript      ? SpeechTask::kTranscribeTranslate
                                                 : SpeechTask::kTranslate;
    Put(SpeechPrompt(args.speech) + "\n");
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

void AddSpeechOptions(CLI::App& command, SpeechArgs& args) {
  args.model.Add(command);
  args.generate.Add(command);
  args.output.Add(command);
  command.add_option("recordings", args.inputs,
                     "Sounds, films, folders of them, or - for standard input");
  command.add_flag("--mic", args.use_microphone, "Listen to the microphone until Ctrl-C");
  command.add_option("--mic-device", args.microphone, "ALSA's name of it, or pulse:NAME");
  command.add_option("--raw", args.raw, "Of -: samples without header, as RATE,CHANNELS,s16|f32");
  command.add_flag("--live", args.live, "Show what is understood while it is said");
  command.add_option("-o,--out", args.out, "File to write; its ending is the format");
  command.add_option("--out-dir", args.out_dir, "Folder to write a file for each recording to");
  command.add_option("--format", args.format, "text, srt, vtt, json, jsonl")
      ->check(CLI::IsMember({"text", "txt", "srt", "vtt", "json", "jsonl"}));
  command.add_flag("--times", args.with_times, "Text with the time each line begins");
  command.add_flag("--restart", args.restart, "Do not go on from what an earlier run has done");
  TranscribeOptions& speech = args.speech;
  CLI::Option* language =
      command.add_option("--language", speech.language, "Language that is spoken, such as Spanish");
  command
      .add_flag("--detect-language", args.detect_language,
                "Ask the model for the language first, by the beginning of the recording")
      ->excludes(language);
  command.add_option("--to", speech.to_language, "Language to translate to")->capture_default_str();
  command.add_flag("--by-transcript", args.by_transcript,
                   "Translate by writing down what is said first; both are kept");
  command.add_option("--prompt", speech.prompt, "What to ask about each piece instead");
  command.add_flag("--show-prompt", args.show_prompt, "Print what would be asked, and end");
  command.add_option("--piece", speech.piece_seconds,
                     "Longest piece, seconds; 0: what the model hears at once");
  command.add_option(
      "--pause", speech.pause_seconds,
      "A pause so long always ends a piece, seconds; 0: 0.8, less where pieces are short");
  command
      .add_option("--least-likeness", speech.least_likeness,
                  "Pass over sounds that are less like speech, 0 to 1")
      ->capture_default_str();
  command
      .add_option("--least-logprob", speech.least_logprob,
                  "Pass over answers of a lower mean log-probability")
      ->capture_default_str();
  command.add_flag("--allow-unsandboxed-decoder", args.media.allow_unsandboxed_decoder,
                   "Decode compressed sound even where the kernel gives no sandbox");
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
