// SPDX-License-Identifier: Apache-2.0
#include "watching/film_windows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gemma3n/error.h"
#include "watching/prompt_places.h"

namespace gemma3n {
namespace {

constexpr double kRounding = 1e-6;  // of times, in seconds
// Of the context, at most; the rest is for what is seen.
constexpr int64_t kAnswerShare = 4, kSummaryShare = 8;
constexpr int64_t kMostSummaryTokens = 256;
// Sound that is shorter, at the end of a window, is rounding or nothing to hear.
constexpr double kShortestClip_s = 0.1;

double Milliseconds(double seconds) {
  return std::round(seconds * 1000) / 1000;
}

// How many positions things take, by laying them out.
class Measure {
 public:
  Measure(Engine& engine, const DescribeOptions& options, double end_s)
      : engine_(engine), options_(options), end_s_(end_s) {}

  int64_t Frame() { return Count(2, 0) - Count(1, 0); }
  int64_t Clip() { return Count(1, 1) - Count(1, 0); }
  // All that is asked and answered about a window, but for the texts of the model.
  int64_t Questions() {
    const FilmWindow window{.from_s = end_s_, .to_s = end_s_};
    const auto ask = [&](const std::string& prompt) {
      return Turn{Role::kUser, {Part(PromptFor(prompt, options_, window, "-", "-"))}};
    };
    const Turn answer{Role::kModel, {Part("-")}};
    std::vector<Turn> turns;
    if (!options_.system.empty()) turns.push_back({Role::kSystem, {Part(options_.system)}});
    turns.insert(turns.end(), {ask(options_.prompt), answer});
    if (options_.with_summary) turns.insert(turns.end(), {ask(options_.summary_prompt), answer});
    // Of a chapter one of the two is asked at a time.
    turns.push_back(ask(options_.with_chapters ? options_.continues_prompt + options_.title_prompt
                                               : std::string("-")));
    return static_cast<int64_t>(engine_.PromptIds(turns, options_.generate).size());
  }

 private:
  int64_t Count(int frames, int clips) {
    VideoClip film;
    for (int i = 0; i < frames; ++i) film.frames.push_back({end_s_, Image{1, 1, {0, 0, 0}}});
    Turn turn{Role::kUser, {Part(std::move(film))}};
    for (int i = 0; i < clips; ++i) {
      turn.parts.push_back(Part(AudioClip{std::vector<float>(1600)}));
    }
    return static_cast<int64_t>(engine_.PromptIds({turn}, options_.generate).size());
  }

  Engine& engine_;
  const DescribeOptions& options_;
  double end_s_;
};

}  // namespace

std::string PromptFor(const std::string& text, const DescribeOptions& options,
                      const FilmWindow& window, const std::string& summary,
                      const std::string& title) {
  return Filled(text, {{"from", FrameTime(window.from_s)},
                       {"to", FrameTime(window.to_s)},
                       {"summary", summary},
                       {"title", title.empty() ? "-" : title},
                       {"yes", options.yes},
                       {"no", options.no}});
}

std::vector<double> WindowBorders(double from_s, double to_s, double longest_s) {
  const double length = to_s - from_s;
  const auto count =
      std::max<int64_t>(1, static_cast<int64_t>(std::ceil(length / longest_s - kRounding)));
  std::vector<double> borders = {from_s};
  for (int64_t i = 1; i < count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count);
    borders.push_back(Milliseconds(from_s + length * share));
  }
  borders.push_back(to_s);
  return borders;
}

WindowPlan PlanWindows(Engine& engine, const DescribeOptions& options, double end_s) {
  const ModelFacts& facts = engine.facts();
  WindowPlan plan;
  plan.sound = options.video.soundtrack && facts.hears;
  const int64_t most =
      options.context > 0 ? std::min(options.context, facts.max_context) : facts.max_context;
  plan.answer_tokens = std::min(options.generate.max_tokens, most / kAnswerShare);
  plan.summary_tokens = std::min(kMostSummaryTokens, most / kSummaryShare);

  Measure measure(engine, options, end_s);
  const int64_t frame = measure.Frame(), clip = plan.sound ? measure.Clip() : 0;
  // The summary so far stands in two prompts, the new one is an answer; a title is a few words.
  constexpr int64_t kTitleTokens = 64;
  const int64_t texts = measure.Questions() + plan.answer_tokens +
                        (options.with_summary ? 3 * plan.summary_tokens : 0) +
                        (options.with_chapters ? 2 * kTitleTokens : 0);
  const auto fit = [&](int64_t clips) { return (most - texts - clips * clip) / frame; };
  const auto wanted =
      static_cast<int64_t>(std::min(options.video.max_frames, options.media.limits.video_frames));
  plan.longest_s = options.window_seconds;
  if (plan.longest_s == 0) {
    const int64_t frames = std::max<int64_t>(1, std::min(wanted, fit(1)));
    plan.longest_s = static_cast<double>(frames) / options.video.fps;
    if (plan.sound) plan.longest_s = std::min(plan.longest_s, facts.max_clip_seconds);
  }
  plan.longest_s = std::min(plan.longest_s, std::max(end_s - options.video.from_s, 0.001));
  const int64_t clips =
      plan.sound
          ? static_cast<int64_t>(std::ceil(plan.longest_s / facts.max_clip_seconds - kRounding))
          : 0;
  plan.frames = static_cast<int>(std::min(wanted, fit(clips)));
  if (plan.frames < 1) {
    throw Error(ErrorKind::kRequest, "a window of the film with one picture and " +
                                         std::to_string(clips) + " clips of sound needs " +
                                         std::to_string(texts + clips * clip + frame) +
                                         " positions, the context has " + std::to_string(most) +
                                         "; take shorter windows or a larger context");
  }
  plan.context = std::min(most, texts + clips * clip + plan.frames * frame);
  return plan;
}

std::vector<Part> PartsOf(VideoClip film, double max_clip_seconds) {
  const auto rate = static_cast<double>(film.audio.sample_rate_hz);
  const auto most = static_cast<size_t>(max_clip_seconds * rate);
  const std::vector<float> sound = std::exchange(film.audio.samples, {});
  std::vector<Part> parts;
  parts.push_back(Part(std::move(film)));
  for (size_t begin = 0; begin < sound.size(); begin += most) {
    const size_t end = std::min(begin + most, sound.size());
    if (begin > 0 && static_cast<double>(end - begin) < kShortestClip_s * rate) break;
    parts.push_back(Part(AudioClip{{sound.begin() + static_cast<ptrdiff_t>(begin),
                                    sound.begin() + static_cast<ptrdiff_t>(end)}}));
  }
  return parts;
}

}  // namespace gemma3n
