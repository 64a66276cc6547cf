// SPDX-License-Identifier: Apache-2.0
// Window after window, each in a conversation of its own: what happens, the summary so far, whether
// the chapter goes on. Only texts go from one window to the next.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "gemma3n/describe.h"
#include "gemma3n/error.h"
#include "watching/film_windows.h"
#include "watching/word_choice.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kTitleTokens = 32;

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::string Trimmed(const std::string& text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  return begin < end ? std::string(begin, end) : "";
}

// The first line, without the marks that models put around titles.
std::string TitleIn(const std::string& answer) {
  const std::string text = Trimmed(answer);
  const std::string line = text.substr(0, text.find('\n'));
  const size_t begin = line.find_first_not_of(" \t\"*#");
  const size_t end = line.find_last_not_of(" \t\r\"*.");
  return begin == std::string::npos || end == std::string::npos || end < begin
             ? ""
             : line.substr(begin, end + 1 - begin);
}

// A text that was cut for its length ends with its last whole sentence, if it has one.
std::string WholeSentences(const GenerateResult& answer) {
  const std::string text = Trimmed(answer.text);
  if (answer.finish_reason != FinishReason::kLength) return text;
  const size_t end = text.find_last_of(".!?");
  return end == std::string::npos ? text : text.substr(0, end + 1);
}

void CheckOptions(const Engine& engine, const DescribeOptions& options) {
  if (!engine.facts().sees) {
    throw Error(ErrorKind::kRequest, "this model does not see: it has no vision encoder");
  }
  const double window = options.window_seconds;
  if (window == 0 || (window >= 0.1 && window <= 24 * 3600)) return;
  throw Error(ErrorKind::kUsage,
              "window, seconds: expected 0 or 0.1 to 86400, found " + std::to_string(window));
}

class FilmDescriberOfEngine : public FilmDescriber {
 public:
  FilmDescriberOfEngine(std::shared_ptr<Engine> engine, const DescribeOptions& options)
      : engine_(std::move(engine)), options_(options) {
    CheckOptions(*engine_, options_);
    if (options_.with_chapters) choice_.emplace(*engine_, options_.yes, options_.no);
    GenerateOptions& generate = options_.generate;
    if (!generate.sampling.temperature) generate.sampling.temperature = 0;
  }

  FilmReport Describe(const std::filesystem::path& film, const DescribeEvents& events) override {
    report_ = {};
    events_ = events;
    const double to_s = Probe(film);
    plan_ = PlanWindows(*engine_, options_, to_s);
    if (!session_ || session_->context() < plan_.context) {
      session_ = engine_->NewSession(plan_.context);
    }
    const std::vector<double> borders = WindowBorders(options_.video.from_s, to_s, plan_.longest_s);
    for (size_t i = 0; i + 1 < borders.size(); ++i) {
      FilmWindow window{.from_s = borders[i], .to_s = borders[i + 1]};
      if (events_.on_begin && !events_.on_begin(window, to_s)) return report_;
      std::vector<Turn> turns;
      if (!options_.system.empty()) turns.push_back({Role::kSystem, {Part(options_.system)}});
      turns.push_back({Role::kUser, Load(film, window)});
      if (!Answer(std::move(turns), window)) return report_;
    }
    report_.complete = true;
    return report_;
  }

 private:
  // Where the span ends.
  double Probe(const std::filesystem::path& film) {
    VideoOptions video = options_.video;
    video.max_frames = 1;
    video.soundtrack = false;
    video.pick = FramePick::kRate;  // scenes are found by decoding everything
    const auto begin = Clock::now();
    report_.duration_s = LoadVideo(film, video, options_.media).duration_s;
    report_.load_ms += MillisecondsSince(begin);
    return std::min(video.to_s, report_.duration_s);
  }

  std::vector<Part> Load(const std::filesystem::path& film, const FilmWindow& window) {
    VideoOptions video = options_.video;
    video.max_frames = plan_.frames;
    video.soundtrack = plan_.sound;
    video.from_s = window.from_s;
    // A film of one picture may say that it lasts no time at all.
    if (window.to_s > window.from_s) video.to_s = window.to_s;
    const auto begin = Clock::now();
    VideoClip clip = LoadVideo(film, video, options_.media);
    report_.load_ms += MillisecondsSince(begin);
    report_.frames += static_cast<int64_t>(clip.frames.size());
    std::vector<Part> parts = PartsOf(std::move(clip), engine_->facts().max_clip_seconds);
    report_.clips += static_cast<int64_t>(parts.size()) - 1;
    return parts;
  }

  // False when a callback ended it.
  bool Answer(std::vector<Turn> turns, FilmWindow& window) {
    turns.back().parts.push_back(
        Part(PromptFor(options_.prompt, options_, window, report_.summary)));
    GenerateOptions generate = options_.generate;
    generate.max_tokens = plan_.answer_tokens;
    const auto answer = Ask(turns, generate, events_.on_text);
    if (!answer) return false;
    window.text = Trimmed(answer->text);
    ++report_.windows;
    turns.push_back({Role::kModel, {Part(answer->text)}});
    bool goes_on = true;
    if (options_.with_summary) goes_on = Summarize(turns, window);
    if (goes_on && options_.with_chapters) goes_on = PlaceInChapter(turns, window);
    // A window that was described counts, also where the rest was cut off.
    window.summary = report_.summary;
    const bool wanted = !events_.on_window || events_.on_window(window);
    return goes_on && wanted;
  }

  bool Summarize(std::vector<Turn>& turns, const FilmWindow& window) {
    turns.push_back(
        {Role::kUser,
         {Part(PromptFor(options_.summary_prompt, options_, window, report_.summary))}});
    GenerateOptions generate = options_.generate;
    generate.max_tokens = plan_.summary_tokens;
    generate.constraint = nullptr;  // that is for the windows' texts
    const auto answer = Ask(turns, generate, nullptr);
    if (!answer) return false;
    // Where the model says nothing, the story so far is not forgotten.
    const std::string summary = WholeSentences(*answer);
    if (!summary.empty()) report_.summary = summary;
    turns.push_back({Role::kModel, {Part(answer->text)}});
    return true;
  }

  bool PlaceInChapter(std::vector<Turn>& turns, const FilmWindow& window) {
    std::vector<Chapter>& chapters = report_.chapters;
    turns.push_back({Role::kUser, {}});
    if (!chapters.empty()) {
      turns.back().parts = {Part(PromptFor(options_.continues_prompt, options_, window,
                                           report_.summary, chapters.back().title))};
      const auto answer = Ask(turns, WordChoice::Options(options_.generate), nullptr);
      if (!answer) return false;
      if (choice_->ProbabilityOfFirst(*answer).value_or(0) > 0.5) {
        chapters.back().to_s = window.to_s;
        return true;
      }
    }
    turns.back().parts = {
        Part(PromptFor(options_.title_prompt, options_, window, report_.summary))};
    GenerateOptions generate = options_.generate;
    generate.max_tokens = kTitleTokens;
    generate.constraint = nullptr;
    const auto answer = Ask(turns, generate, nullptr);
    if (!answer) return false;
    const std::string title = TitleIn(answer->text);
    chapters.push_back({window.from_s, window.to_s, title.empty() ? TitleIn(window.text) : title});
    return true;
  }

  std::optional<GenerateResult> Ask(const std::vector<Turn>& turns, const GenerateOptions& options,
                                    const TextCallback& on_text) {
    const auto begin = Clock::now();
    const GenerateResult result = session_->Generate(
        turns, options,
        [&](const std::string& text) {
          // Where nobody takes the text, the work can still be ended between its words.
          if (on_text) return on_text(text);
          return !events_.on_progress || events_.on_progress({"writing", 0, 0});
        },
        events_.on_progress);
    report_.answer_ms += MillisecondsSince(begin);
    if (result.finish_reason == FinishReason::kCancelled) return std::nullopt;
    return result;
  }

  std::shared_ptr<Engine> engine_;
  DescribeOptions options_;
  std::optional<WordChoice> choice_;
  std::unique_ptr<Session> session_;
  WindowPlan plan_;
  DescribeEvents events_;
  FilmReport report_;
};

}  // namespace

std::unique_ptr<FilmDescriber> FilmDescriber::New(std::shared_ptr<Engine> engine,
                                                  const DescribeOptions& options) {
  return std::make_unique<FilmDescriberOfEngine>(std::move(engine), options);
}

}  // namespace gemma3n
