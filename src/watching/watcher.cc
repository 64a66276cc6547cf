// SPDX-License-Identifier: Apache-2.0
// Each picture that is new is asked about in a conversation of its own; its soft tokens serve the
// condition and the question alike.
#include <chrono>
#include <cmath>
#include <utility>

#include "gemma3n/error.h"
#include "gemma3n/picture_stream.h"
#include "gemma3n/watch.h"
#include "watching/prompt_places.h"
#include "watching/word_choice.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

void CheckRange(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorKind::kUsage, std::string(name) + ": expected " + std::to_string(least) +
                                     " to " + std::to_string(most) + ", found " +
                                     std::to_string(value));
}

void CheckOptions(const Engine& engine, const WatchOptions& options) {
  if (!engine.facts().sees) {
    throw Error(ErrorKind::kRequest, "this model does not see: it has no vision encoder");
  }
  if (options.question.empty() && options.condition.empty()) {
    throw Error(ErrorKind::kUsage, "expected a question or a condition, found neither");
  }
  CheckRange("seconds between looks", options.every_s, 0, 24 * 3600);
  CheckRange("least change", options.least_change, 0, 1);
  CheckRange("least probability", options.least_probability, 0, 1);
  if (options.least_probability == 1) {
    throw Error(ErrorKind::kUsage, "least probability: expected less than 1, which nothing passes");
  }
}

class WatcherOfEngine : public Watcher {
 public:
  WatcherOfEngine(std::shared_ptr<Engine> engine, const WatchOptions& options)
      : engine_(std::move(engine)), options_(options) {
    CheckOptions(*engine_, options_);
    GenerateOptions& generate = options_.generate;
    if (!generate.sampling.temperature) generate.sampling.temperature = 0;
    if (!options_.condition.empty()) {
      choice_.emplace(*engine_, options_.yes, options_.no);
      condition_ =
          Filled(options_.until_prompt,
                 {{"condition", options_.condition}, {"yes", options_.yes}, {"no", options_.no}});
    }
    session_ = engine_->NewSession(Context());
  }

  bool IsDue(double time_s) const override {
    return !last_look_s_ || time_s >= *last_look_s_ + options_.every_s;
  }

  std::optional<Sighting> Look(VideoFrame frame, const TextCallback& on_text) override {
    last_look_s_ = frame.time_s;
    ++counts_.looked_at;
    Sighting sighting;
    if (last_) sighting = last_sighting_;
    sighting.time_s = frame.time_s;
    sighting.news = false;
    sighting.encode_ms = sighting.whole_ms = 0;
    if (last_) sighting.change = PictureChange(*last_, frame.image);
    sighting.same = last_ && sighting.change < options_.least_change;
    if (sighting.same) {
      ++counts_.same;
      return sighting;
    }
    if (!Answer(std::make_shared<const Image>(std::move(frame.image)), on_text, sighting)) {
      return std::nullopt;
    }
    last_sighting_ = sighting;
    return sighting;
  }

  WatchCounts counts() const override { return counts_; }

 private:
  std::vector<Turn> Turns(std::shared_ptr<const Image> picture, const std::string& text) const {
    std::vector<Turn> turns;
    if (!options_.system.empty()) turns.push_back({Role::kSystem, {Part(options_.system)}});
    Part seen("");
    seen.content = std::move(picture);
    turns.push_back({Role::kUser, {std::move(seen), Part(text)}});
    return turns;
  }

  // What the longer of the two prompts and the answer take.
  int64_t Context() {
    const auto picture = std::make_shared<const Image>(Image{1, 1, {0, 0, 0}});
    const auto length = [&](const std::string& text) {
      return static_cast<int64_t>(
          engine_->PromptIds(Turns(picture, text), options_.generate).size());
    };
    const int64_t prompt = std::max(length(options_.question), length(condition_));
    const int64_t most = engine_->facts().max_context;
    return std::min(options_.context > 0 ? std::min(options_.context, most) : most,
                    prompt + std::max<int64_t>(1, options_.generate.max_tokens));
  }

  // False when it was ended; then the picture counts for nothing, and the next one is compared with
  // the one before.
  bool Answer(std::shared_ptr<const Image> picture, const TextCallback& on_text,
              Sighting& sighting) {
    const auto begin = Clock::now();
    const auto ask = [&](const std::string& text, const GenerateOptions& generate,
                         const TextCallback& take) {
      const GenerateResult result =
          session_->Generate(Turns(picture, text), generate, take,
                             [&](const Progress&) { return !on_text || on_text(""); });
      sighting.encode_ms += result.timings.image_ms;
      counts_.encoded += result.timings.images;
      return result;
    };
    std::string text;
    if (choice_) {
      const GenerateResult result =
          ask(condition_, WordChoice::Options(options_.generate), nullptr);
      if (result.finish_reason == FinishReason::kCancelled) return false;
      sighting.probability = choice_->ProbabilityOfFirst(result);
      sighting.holds = sighting.probability.value_or(0) > options_.least_probability;
      text = sighting.probability.value_or(0) > 0.5 ? options_.yes : options_.no;
    }
    if (!options_.question.empty()) {
      const GenerateResult result = ask(options_.question, options_.generate, on_text);
      if (result.finish_reason == FinishReason::kCancelled) return false;
      text = result.text;
    }
    sighting.news = !last_ || text != sighting.text;
    sighting.text = std::move(text);
    sighting.whole_ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    last_ = std::move(picture);
    ++counts_.answered;
    counts_.encode_ms += sighting.encode_ms;
    counts_.whole_ms += sighting.whole_ms;
    return true;
  }

  std::shared_ptr<Engine> engine_;
  WatchOptions options_;
  std::optional<WordChoice> choice_;
  std::string condition_;  // as it is asked
  std::unique_ptr<Session> session_;
  std::shared_ptr<const Image> last_;  // asked about
  Sighting last_sighting_;
  std::optional<double> last_look_s_;
  WatchCounts counts_;
};

}  // namespace

std::unique_ptr<Watcher> Watcher::New(std::shared_ptr<Engine> engine, const WatchOptions& options) {
  return std::make_unique<WatcherOfEngine>(std::move(engine), options);
}

}  // namespace gemma3n
