// SPDX-License-Identifier: Apache-2.0
// How many positions of a prompt are best computed together: reads prompts in chunks of several
// sizes, by turns, and prints their speed beside the scratch and the rings that such chunks take.
//
//   chunk_bench MODEL [threads=0] [size of the model=full] [prompt=1024]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "engine/loaded_model.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "run_main.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kChunks[] = {32, 64, 128, 192, 256, 384, 512, 768};
constexpr int kRounds = 3;

double SecondsToRead(LoadedModel& model, int64_t chunk, const std::vector<DecoderInput>& prompt) {
  const SubmodelShape shape = model.ShapeOf(model.size);
  Decoder decoder(model.weights, model.pool, {.max_chunk = chunk, .shape = &shape});
  DecoderState state(model.config.text, {.context_length = static_cast<int64_t>(prompt.size()),
                                         .max_chunk = chunk,
                                         .kv_type = model.kv_type});
  const Clock::time_point begin = Clock::now();
  decoder.Prefill(state, prompt, LogitsWanted::kNone, {});
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void Run(LoadedModel& model, int64_t positions) {
  std::vector<DecoderInput> prompt;
  for (int64_t i = 0; i < positions; ++i) {
    prompt.push_back({.id = static_cast<int32_t>(i * 911 % model.facts.vocab_size / 2)});
  }
  SecondsToRead(model, kChunks[0], {prompt.begin(), prompt.begin() + 32});  // faults weights in
  std::vector<std::vector<double>> seconds(std::size(kChunks));
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < std::size(kChunks); ++i) {
      seconds[i].push_back(SecondsToRead(model, kChunks[i], prompt));
    }
  }
  std::printf("chunk  tokens/s (median, least, most)  scratch MB  rings MB\n");
  for (size_t i = 0; i < std::size(kChunks); ++i) {
    std::sort(seconds[i].begin(), seconds[i].end());
    const double count = static_cast<double>(positions);
    const TextConfig& config = model.config.text;
    const int64_t rings = DecoderState::BytesFor(
        config, {.context_length = positions, .max_chunk = kChunks[i], .kv_type = model.kv_type});
    std::printf("%5ld  %8.1f %8.1f %8.1f  %10.1f %9.1f\n", static_cast<long>(kChunks[i]),
                count / seconds[i][kRounds / 2], count / seconds[i].back(),
                count / seconds[i].front(),
                static_cast<double>(Activations::BytesFor(config, kChunks[i])) / 1e6,
                static_cast<double>(rings) / 1e6);
  }
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: chunk_bench MODEL [threads] [size] [prompt]\n");
    return 2;
  }
  kernels::ForceIsaFromEnvironment();
  LoadedModel model({.model = argv[1],
                     .threads = argc > 2 ? std::atoi(argv[2]) : 0,
                     .size = argc > 3 ? argv[3] : ""});
  Run(model, argc > 4 ? std::atoll(argv[4]) : 1024);
  return 0;
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  return gemma3n::RunMain(gemma3n::Main, argc, argv);
}
