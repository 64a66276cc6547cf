// SPDX-License-Identifier: Apache-2.0
// What speculation costs on a model's weights, and what it brings for any share of guesses that
// hold.
//
//   speculation_bench MODEL [threads=0] [draft size]
//
// Times, by turns, a step, a step of the size that guesses, finishing 2 to 5 guessed positions, and
// reading 2 to 6 tokens together; prints tokens/s over plain decoding for shares from 0 to 1, were
// each guess to hold by itself with that probability.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/next_tokens.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "run_main.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kContext = 512, kDepth = 64, kRounds = 7;

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

class Costs {
 public:
  Costs(LoadedModel& model, const SubmodelShape& draft)
      : decoder_(model.NewDecoder()),
        state_(model.config.text, {.context_length = kContext, .kv_type = model.kv_type}),
        draft_(model.weights, draft),
        kept_(model.config.text, SpeculationPolicy::kMostGuesses),
        vocab_(static_cast<size_t>(decoder_->vocab_size())),
        logits_(vocab_ * (SpeculationPolicy::kMostGuesses + 1)) {
    const std::vector<DecoderInput> prompt(kDepth, DecoderInput{.id = 100});
    decoder_->Prefill(state_, prompt, LogitsWanted::kNone, {});
  }

  // Everything once, in turn.
  void Round() {
    Time("step", 0, [&] { decoder_->Step(state_, 7, Rows(1)); });
    for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses; ++n) {
      kept_.Clear();
      for (int64_t i = 0; i < n; ++i) {
        Time("draft", 0, [&] { decoder_->DraftStep(state_, draft_, 7, kept_, Rows(1)); });
      }
      Time("finish", n, [&] { decoder_->FinishDraft(state_, kept_, Rows(n)); });
      state_.Rewind(state_.position() - n);
    }
    for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses + 1; ++n) {
      const std::vector<DecoderInput> inputs(static_cast<size_t>(n), DecoderInput{.id = 7});
      Time("together", n, [&] { decoder_->Prefill(state_, inputs, LogitsWanted::kAll, Rows(n)); });
      state_.Rewind(state_.position() - n);
    }
  }
  double Ms(const std::string& what, int64_t n) const { return Median(times_.at({what, n})); }

 private:
  std::span<float> Rows(int64_t n) {
    return std::span(logits_).first(static_cast<size_t>(n) * vocab_);
  }
  template <class Fn>
  void Time(const std::string& what, int64_t n, const Fn& fn) {
    const Clock::time_point begin = Clock::now();
    fn();
    times_[{what, n}].push_back(
        std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }

  std::unique_ptr<Decoder> decoder_;
  DecoderState state_;
  Submodel draft_;
  Draft kept_;
  size_t vocab_;
  std::vector<float> logits_;
  std::map<std::pair<std::string, int64_t>, std::vector<double>> times_;
};

// Tokens of a round that checks n rows, of which the first is sure and each other holds with p; the
// token after the last that held comes with it where `more`.
double Tokens(double p, int64_t n, bool more) {
  double sum = 1, held = 1;
  for (int64_t i = 1; i < n + (more ? 1 : 0); ++i) sum += held *= p;
  return sum;
}

void Print(const Costs& costs) {
  const double step = costs.Ms("step", 0), draft = costs.Ms("draft", 0);
  std::printf("a step %.1f ms; of the draft %.1f ms\n", step, draft);
  for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses; ++n) {
    std::printf("finishing %ld: %.1f ms\n", static_cast<long>(n), costs.Ms("finish", n));
  }
  for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses + 1; ++n) {
    std::printf("%ld together: %.1f ms, %.2f steps\n", static_cast<long>(n),
                costs.Ms("together", n), costs.Ms("together", n) / step);
  }
  std::printf("share that holds, draft of 2 3 4 5, looked up 1 2 3 4 5\n");
  for (double p : {0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}) {
    std::printf("%.1f ", p);
    for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses; ++n) {
      const double cost = static_cast<double>(n) * draft + costs.Ms("finish", n);
      std::printf(" %.2f", Tokens(p, n, false) * step / cost);
    }
    std::printf(" |");
    for (int64_t n = 2; n <= SpeculationPolicy::kMostGuesses + 1; ++n) {
      std::printf(" %.2f", Tokens(p, n - 1, true) * step / costs.Ms("together", n));
    }
    std::printf("\n");
  }
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: speculation_bench MODEL [threads] [draft size]\n");
    return 2;
  }
  kernels::ForceIsaFromEnvironment();
  LoadedModel model({.model = argv[1], .threads = argc > 2 ? std::atoi(argv[2]) : 0});
  const SubmodelShape own = model.ShapeOf(model.size);
  Costs costs(
      model, argc > 3 ? model.ShapeOf(model.ParseSize(argv[3])) : DefaultDraft(model.weights, own));
  for (int64_t i = 0; i < kRounds; ++i) costs.Round();
  Print(costs);
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  return gemma3n::RunMain(gemma3n::Main, argc, argv);
}
