// SPDX-License-Identifier: Apache-2.0
// `gemma3n describe`: pictures, folders of them, and films of any length.
#include "gemma3n/describe.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "cli/commands.h"
#include "cli/description_file.h"
#include "cli/film_span.h"
#include "cli/media_files.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr char kHelp[] =
    R"(A picture is answered with a text of its own. A film is seen window by window:
what happens in each, then the summary of all so far, which the model takes along
to the next one, then whether the chapter goes on. Words that name no file are the
question.

Examples:
  gemma3n describe -m DIR photo.jpg other.png
  gemma3n describe -m DIR photos/ "What is written here?" --json
  gemma3n describe -m DIR film.mp4 -o film.txt --chapters film.vtt
  gemma3n describe -m DIR "film.mp4 10:00-20:00" --fps 0.5 --window 60 --no-sound
)";
constexpr char kPictureQuestion[] = "Describe the picture.";
constexpr int64_t kRoomForText = 64;  // positions, beside a question and its picture

struct Target {
  std::string path;
  VideoOptions film;
  bool is_picture = false;
};

struct DescribeArgs {
  ModelArgs model;
  OutputArgs output;
  GenerateArgs generate;
  MediaArgs media;
  DescribeOptions describe;
  std::vector<std::string> words;
  std::string prompt, summary_prompt, title_prompt, continues_prompt, out, chapters;
  bool no_sound = false, no_summary = false, no_chapters = false, show_prompt = false;
};

Target TargetOf(const std::string& path, const VideoOptions& film) {
  return {path, film, KindOf(path) == MediaKind::kImage};
}

// Takes the files out of the words; what is left is the question.
std::vector<Target> TakeTargets(DescribeArgs& args) {
  std::vector<Target> targets;
  std::string question;
  for (const std::string& word : args.words) {
    std::error_code ignored;
    const FilmSpan film = ParseFilmSpan(word, args.media.video);
    if (std::filesystem::is_directory(word, ignored)) {
      for (const std::string& path :
           FilesIn(word, {MediaKind::kImage, MediaKind::kVideo}, "pictures or films")) {
        targets.push_back(TargetOf(path, args.media.video));
      }
    } else if (std::filesystem::exists(film.path, ignored) || LooksLikeMedia(word)) {
      targets.push_back(TargetOf(film.path, film.video));
    } else {
      question += (question.empty() ? "" : " ") + word;
    }
  }
  for (const std::string& path : args.media.images) {
    targets.push_back({path, args.media.video, /*is_picture=*/true});
  }
  for (const std::string& typed : args.media.videos) {
    const FilmSpan film = ParseFilmSpan(typed, args.media.video);
    targets.push_back({film.path, film.video});
  }
  if (!question.empty() && !args.prompt.empty()) {
    throw Error(ErrorKind::kUsage, "expected a question or --prompt, found both");
  }
  if (args.prompt.empty()) args.prompt = question;
  return targets;
}

class Describing {
 public:
  Describing(DescribeArgs& args, std::shared_ptr<Engine> engine, size_t targets)
      : args_(args),
        engine_(std::move(engine)),
        several_(targets > 1),
        out_(args.out, DescriptionFormatOf(args.output.json, args.out), args.output.raw_output),
        bar_(!args.output.quiet),
        film_bar_(!args.output.quiet, ProgressBar::Unit::kSeconds) {}

  // 0, or 130 when it was ended, or nobody reads any more.
  int Take(const Target& target) {
    try {
      const bool whole = target.is_picture ? Picture(target) : Film(target);
      return whole ? 0 : 130;
    } catch (const Error& error) {
      bar_.Clear();
      film_bar_.Clear();
      if (line_begun_) EndLine();
      if (error.kind() == ErrorKind::kMedia) {
        out_.Object({{"file", target.path}, {"error", error.what()}});
      }
      throw;
    }
  }

  void Finish() { out_.Finish(); }

 private:
  bool Say(const std::string& text) {
    bar_.Clear();
    // What goes into a file leaves the terminal to the bar.
    if (args_.out.empty() && out_.is_text()) film_bar_.Hide();
    line_begun_ = line_begun_ || !text.empty();
    return out_.Text(text) && !Interrupted();
  }
  bool EndLine() {
    line_begun_ = false;
    return out_.Text("\n");
  }

  // A session for pictures with this question.
  Session& SessionFor(const std::string& question) {
    if (!session_) {
      const Turn turn{Role::kUser, {Part(Image{1, 1, {0, 0, 0}}), Part(question)}};
      const GenerateOptions& generate = args_.generate.options;
      const auto prompt = static_cast<int64_t>(engine_->PromptIds({turn}, generate).size());
      const int64_t most =
          args_.model.context > 0 ? args_.model.context : engine_->facts().max_context;
      const int64_t system =
          static_cast<int64_t>(engine_->Tokenize(args_.generate.system, false, false).size());
      session_ =
          engine_->NewSession(std::min(most, prompt + system + kRoomForText + generate.max_tokens));
    }
    return *session_;
  }

  bool Picture(const Target& target) {
    const std::string question = args_.prompt.empty() ? kPictureQuestion : args_.prompt;
    std::vector<Turn> turns;
    if (!args_.generate.system.empty()) {
      turns.push_back({Role::kSystem, {Part(args_.generate.system)}});
    }
    turns.push_back(
        {Role::kUser, {Part(LoadImage(target.path, args_.media.media)), Part(question)}});
    Session& session = SessionFor(question);
    if (several_ && !Say(target.path + ": ")) return false;
    const GenerateResult answer = session.Generate(
        turns, args_.generate.options, [this](const std::string& text) { return Say(text); },
        bar_.Callback());
    bar_.Clear();
    if (!EndLine() || answer.finish_reason == FinishReason::kCancelled) return false;
    return out_.Object({{"file", target.path},
                        {"text", answer.text},
                        {"finish_reason", FinishReasonName(answer.finish_reason)},
                        {"image_ms", answer.timings.image_ms},
                        {"prefill_ms", answer.timings.prefill_ms},
                        {"decode_ms", answer.timings.decode_ms},
                        {"tokens", answer.token_ids.size()}});
  }

  bool Film(const Target& target) {
    const auto began = Clock::now();
    DescribeOptions options = args_.describe;
    options.video = target.film;
    options.video.soundtrack = !args_.no_sound;
    if (!args_.prompt.empty()) options.prompt = args_.prompt;
    DescribeEvents events;
    bool named = !several_;
    events.on_begin = [&](const FilmWindow& window, double film_to_s) {
      if (!std::exchange(named, true) && !out_.Text(target.path + "\n")) return false;
      film_bar_.Show({OneLine(target.path), static_cast<int64_t>(window.from_s),
                      static_cast<int64_t>(std::ceil(film_to_s))});
      begin_ = FilmTime(window.from_s) + "  ";
      return !Interrupted();
    };
    events.on_text = [this](const std::string& text) {
      if (text.empty()) return !Interrupted();
      return Say(std::exchange(begin_, "") + text);
    };
    events.on_window = [&](const FilmWindow& window) {
      // Where the model said nothing, the time still stands there.
      out_.Text(std::exchange(begin_, "") + "\n");
      line_begun_ = false;
      if (args_.out.empty() && !out_.is_text()) film_bar_.Hide();
      return out_.Object(WindowAsJson(target.path, window)) && !Interrupted();
    };
    events.on_progress = [](const Progress&) { return !Interrupted(); };
    const FilmReport report = FilmDescriber::New(engine_, options)->Describe(target.path, events);
    film_bar_.Clear();
    if (line_begun_) EndLine();
    const bool read =
        out_.Text(ReportAsText(report)) && out_.Object(ReportAsJson(target.path, report));
    WriteChapters(report);
    Report(target, report, std::chrono::duration<double>(Clock::now() - began).count());
    return report.complete && read;
  }

  void WriteChapters(const FilmReport& report) const {
    if (args_.chapters.empty()) return;
    const bool vtt = std::filesystem::path(args_.chapters).extension() == ".vtt";
    DescriptionFile file(args_.chapters, DescriptionFormat::kText, /*raw_output=*/true);
    file.Text(vtt ? ChaptersAsVtt(report.chapters) : ChaptersAsFfmetadata(report.chapters));
    file.Finish();
  }

  void Report(const Target& target, const FilmReport& report, double seconds) const {
    if (report.duration_s >= args_.describe.media.limits.video_seconds && !args_.output.quiet) {
      Tell(target.path + ": only its first " + FilmTime(report.duration_s) + " are looked at");
    }
    if (!args_.output.stats) return;
    char text[200];
    std::snprintf(text, sizeof(text),
                  "%lld windows, %lld frames, %lld clips; %.1f s, of which decoding the film %.1f, "
                  "the model %.1f",
                  static_cast<long long>(report.windows), static_cast<long long>(report.frames),
                  static_cast<long long>(report.clips), seconds, report.load_ms / 1000,
                  report.answer_ms / 1000);
    Tell(OneLine(target.path) + ": " + text);
  }

  DescribeArgs& args_;
  std::shared_ptr<Engine> engine_;
  bool several_;
  DescriptionFile out_;
  ProgressBar bar_, film_bar_;
  std::unique_ptr<Session> session_;
  std::string begin_;
  bool line_begun_ = false;
};

// Films may be as long and large as recordings of speech.
void AllowLongFilms(MediaLimits& limits) {
  limits.video_file_bytes = limits.sound_stream_bytes;
  limits.video_seconds = limits.sound_stream_seconds;
}

void ShowPrompts(const DescribeArgs& args) {
  const std::string& prompt = args.prompt;
  Put("picture:\n" + (prompt.empty() ? kPictureQuestion : prompt) + "\n\nwindow of a film:\n" +
      (prompt.empty() ? args.describe.prompt : prompt) + "\n\nsummary:\n" +
      args.describe.summary_prompt + "\n\nwhether the chapter goes on:\n" +
      args.describe.continues_prompt + "\n\ntitle:\n" + args.describe.title_prompt + "\n");
}

void FillOptions(DescribeArgs& args) {
  args.generate.Finish();
  args.describe.system = args.generate.system;
  args.describe.with_summary = !args.no_summary;
  args.describe.with_chapters = !args.no_chapters;
  args.describe.context = args.model.context;
  const auto take = [](const std::string& given, std::string& prompt) {
    if (!given.empty()) prompt = given;
  };
  take(args.summary_prompt, args.describe.summary_prompt);
  take(args.title_prompt, args.describe.title_prompt);
  take(args.continues_prompt, args.describe.continues_prompt);
  args.describe.media = args.media.media;
  AllowLongFilms(args.describe.media.limits);
}

void CheckTargets(const DescribeArgs& args, const std::vector<Target>& targets) {
  if (targets.empty()) {
    throw Error(ErrorKind::kUsage,
                "expected pictures, films or folders of them, found none" +
                    (args.prompt.empty() ? "" : ": '" + OneLine(args.prompt) + "' is no file"));
  }
  if (!args.chapters.empty() && (targets.size() > 1 || targets[0].is_picture)) {
    throw Error(ErrorKind::kUsage, "--chapters: expected one film, found " +
                                       std::to_string(targets.size()) + " files");
  }
  std::error_code bad;
  if (!args.chapters.empty() && std::filesystem::weakly_canonical(args.out, bad) ==
                                    std::filesystem::weakly_canonical(args.chapters, bad)) {
    throw Error(ErrorKind::kUsage, "expected two files for --out and --chapters, found one");
  }
  for (const Target& target : targets) {
    for (const std::string& path : {args.out, args.chapters}) {
      std::error_code ignored;
      if (!path.empty() && std::filesystem::equivalent(path, target.path, ignored)) {
        throw Error(ErrorKind::kUsage, path + ": would take the place of what is described");
      }
    }
  }
}

int Describe(DescribeArgs& args) {
  FillOptions(args);
  const std::vector<Target> targets = TakeTargets(args);
  if (args.show_prompt) {
    ShowPrompts(args);
    return 0;
  }
  CheckTargets(args, targets);
  const auto engine = args.model.Load(args.output.quiet);
  args.generate.ReadSizes(*engine);
  GenerateOptions& generate = args.generate.options;
  if (!generate.sampling.temperature) generate.sampling.temperature = 0;
  args.describe.generate = generate;
  Describing describing(args, engine, targets.size());
  int code = 0;
  for (const Target& target : targets) {
    try {
      const int ended = describing.Take(target);
      if (ended == 0) continue;
      code = ended;
      break;
    } catch (const Error& error) {
      // One that is bad does not keep the others from being seen.
      if (targets.size() == 1 || error.kind() != ErrorKind::kMedia) {
        describing.Finish();
        throw;
      }
      Tell(error.what());
      code = 4;
    }
  }
  describing.Finish();
  return code;
}

}  // namespace

void AddDescribe(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("describe", "Say what is in pictures and films of any length");
  auto args = std::make_shared<DescribeArgs>();
  args->model.Add(*command);
  args->generate.Add(*command);
  args->output.Add(*command);
  command->add_option("files", args->words, "Pictures, films, folders of them, and a question");
  command->add_option("--image", args->media.images, "Picture")->allow_extra_args(false);
  command->add_option("--video", args->media.videos, "Film, or \"FILE FROM-TO\"")
      ->allow_extra_args(false);
  args->media.AddFrames(*command);
  command->add_flag("--no-sound", args->no_sound, "Film: its pictures alone");
  command->add_option("--window", args->describe.window_seconds,
                      "Film: longest window, seconds; 0: what --frames and a clip of sound hold");
  command->add_flag("--no-summary", args->no_summary, "Film: no summary is carried along");
  command->add_flag("--no-chapters", args->no_chapters, "Film: no chapters");
  command->add_option("--prompt", args->prompt,
                      "What to ask instead; of films {summary}, {from}, {to} are filled in");
  command->add_option("--summary-prompt", args->summary_prompt, "What to ask for the summary");
  command->add_option("--title-prompt", args->title_prompt, "What to ask for a chapter's title");
  command->add_option("--continues-prompt", args->continues_prompt,
                      "What to ask to know whether a chapter goes on; yes or no");
  command->add_flag("--show-prompt", args->show_prompt, "Print what would be asked, and end");
  command->add_option("-o,--out", args->out, "File to write: .json, .jsonl, else text");
  command->add_option("--chapters", args->chapters,
                      "File for a film's chapters: .vtt as WebVTT, else as FFmpeg's metadata");
  command->footer(kHelp);
  command->callback([args, &exit_code] { exit_code = Describe(*args); });
}

}  // namespace gemma3n::cli
