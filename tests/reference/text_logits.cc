// SPDX-License-Identifier: Apache-2.0
// text_logits MODEL_DIR IDS OUT_DIR [CHUNK]: the logits of every position of IDS (comma separated),
// all intermediates, and the 64 ids that greedy decoding adds, for the scripts beside this file.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "gemma3n/error.h"
#include "model/decoder.h"
#include "model/npy_observer.h"
#include "tensor/npy.h"

namespace gemma3n {
namespace {

constexpr int kGreedyTokens = 64;

std::vector<DecoderInput> ParseIds(const std::string& text) {
  std::vector<DecoderInput> inputs;
  std::stringstream stream(text);
  for (std::string id; std::getline(stream, id, ',');) inputs.push_back({.id = std::stoi(id)});
  return inputs;
}

int32_t Largest(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

void Run(const std::string& model, const std::string& ids, const std::filesystem::path& out,
         int64_t chunk) {
  const std::unique_ptr<Checkpoint> checkpoint = Checkpoint::Load(model);
  const DecoderWeights weights = DecoderWeights::Load(*checkpoint, ModelConfig::Load(*checkpoint));
  const std::vector<DecoderInput> inputs = ParseIds(ids);
  const int64_t count = static_cast<int64_t>(inputs.size());
  ThreadPool pool;
  NpyObserver observer;
  Decoder decoder(weights, pool, {.max_chunk = chunk, .observer = &observer});
  DecoderState state(weights.config, {.context_length = count, .max_chunk = chunk});
  std::vector<float> logits(count * decoder.vocab_size());
  decoder.Prefill(state, inputs, LogitsWanted::kAll, logits);
  observer.Write(out);

  Decoder stepper(weights, pool, {.max_chunk = chunk});
  DecoderState fresh(weights.config, {.context_length = count + kGreedyTokens, .max_chunk = chunk});
  std::vector<float> last(decoder.vocab_size());
  stepper.Prefill(fresh, inputs, LogitsWanted::kLast, last);
  std::vector<int32_t> greedy;
  for (int i = 0; i < kGreedyTokens; ++i) {
    greedy.push_back(Largest(last));
    stepper.Step(fresh, greedy.back(), last);
  }
  WriteNpy(out / "greedy.npy", {kGreedyTokens}, greedy);
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: text_logits MODEL_DIR IDS OUT_DIR [CHUNK]\n");
    return 2;
  }
  try {
    gemma3n::Run(argv[1], argv[2], argv[3], argc > 4 ? std::atoll(argv[4]) : 256);
  } catch (const gemma3n::Error& error) {
    std::fprintf(stderr, "text_logits: %s\n", error.what());
    return 1;
  }
}
