// SPDX-License-Identifier: Apache-2.0
// What answers gain that step together: tokens per second of 1, 2, 4 and 8 sequences (or as many as
// are asked for), by turns, and how many times the speed of one that is.
//
//   batch_bench MODEL [threads=0] [positions=256] [steps=8] [most=8]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/loaded_model.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "run_main.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kRounds = 3;

// Sequences of made-up ids that have read different numbers of positions.
class Sequences {
 public:
  Sequences(LoadedModel& model, int64_t count, int64_t positions, int64_t steps)
      : decoder_(model.NewDecoder()),
        ids_(static_cast<size_t>(count)),
        most_id_(
            std::min(model.config.text.vocab_size, model.config.text.vocab_size_per_layer_input)) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t length = positions + 3 * i;
      states_.push_back(std::make_unique<DecoderState>(
          model.config.text,
          DecoderState::Options{.context_length = length + steps, .kv_type = model.kv_type}));
      std::vector<DecoderInput> prompt;
      for (int64_t k = 0; k < length; ++k) prompt.push_back({.id = NextId()});
      decoder_->Prefill(*states_.back(), prompt, LogitsWanted::kNone, {});
      pointers_.push_back(states_.back().get());
    }
    logits_.resize(static_cast<size_t>(count * decoder_->vocab_size()));
  }

  // Seconds of one step of the first `count`.
  double Step(size_t count) {
    for (size_t i = 0; i < count; ++i) ids_[i] = NextId();
    const Clock::time_point begin = Clock::now();
    decoder_->StepMany(
        std::span(pointers_).first(count), std::span(ids_).first(count),
        std::span(logits_).first(count * static_cast<size_t>(decoder_->vocab_size())));
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

 private:
  int32_t NextId() {
    number_ = number_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int32_t>((number_ >> 33) % static_cast<uint64_t>(most_id_));
  }

  std::unique_ptr<Decoder> decoder_;
  std::vector<std::unique_ptr<DecoderState>> states_;
  std::vector<DecoderState*> pointers_;
  std::vector<int32_t> ids_;
  std::vector<float> logits_;
  int64_t most_id_;
  uint64_t number_ = 1;
};

void Run(LoadedModel& model, int64_t positions, int64_t steps, int64_t most) {
  std::vector<size_t> counts;
  for (int64_t count = 1; count < most; count *= 2) counts.push_back(static_cast<size_t>(count));
  counts.push_back(static_cast<size_t>(most));
  Sequences sequences(model, most, positions,
                      (kRounds * steps + 1) * static_cast<int64_t>(counts.size()));
  for (size_t count : counts) sequences.Step(count);  // faults weights in
  std::vector<std::vector<double>> seconds(counts.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < counts.size(); ++i) {
      for (int64_t step = 0; step < steps; ++step) seconds[i].push_back(sequences.Step(counts[i]));
    }
  }
  std::printf("isa %s, %d threads, %ld positions before\n", kernels::ActiveIsa().c_str(),
              model.pool.num_threads(), static_cast<long>(positions));
  std::printf("sequences  ms a step (median, least)  tokens/s of all  times one\n");
  const auto median = [](std::vector<double>& values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  double one = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double step = median(seconds[i]), rate = static_cast<double>(counts[i]) / step;
    if (i == 0) one = rate;
    std::printf("%9zu  %10.1f %14.1f %16.2f %10.2f\n", counts[i], 1e3 * step,
                1e3 * seconds[i].front(), rate, rate / one);
  }
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: batch_bench MODEL [threads] [positions] [steps] [most]\n");
    return 2;
  }
  const auto argument = [&](int i, long long fallback) {
    return argc > i ? std::max(1ll, std::atoll(argv[i])) : fallback;
  };
  kernels::ForceIsaFromEnvironment();
  LoadedModel model({.model = argv[1], .threads = argc > 2 ? std::atoi(argv[2]) : 0});
  Run(model, argument(3, 256), argument(4, 8), argument(5, 8));
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  return gemma3n::RunMain(gemma3n::Main, argc, argv);
}
