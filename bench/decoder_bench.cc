// SPDX-License-Identifier: Apache-2.0
// How fast the decoder prefills and steps, and how near a step comes to reading memory at full
// speed. Random bf16 weights in the shape of E2B with fewer layers and a smaller vocabulary.
//
//   decoder_bench [layers=10] [threads=0] [prompt=256] [steps=16]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels/isa.h"
#include "kernels/rows.h"
#include "model/decoder.h"
#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// E2B: a third of the layers sparse, a third sharing keys and values, every fifth full.
TextConfig Shape(int64_t layers) {
  TextConfig config{};
  config.vocab_size = config.vocab_size_per_layer_input = 32768;
  config.hidden_size = 2048;
  config.hidden_size_per_layer_input = 256;
  config.num_hidden_layers = layers;
  config.num_attention_heads = 8;
  config.num_key_value_heads = 2;
  config.head_dim = 256;
  config.sliding_window = 512;
  config.num_kv_shared_layers = layers / 3;
  config.altup_num_inputs = 4;
  config.laurel_rank = 64;
  config.intermediate_size.assign(layers, 8192);
  for (int64_t i = 0; i < layers; ++i) {
    config.activation_sparsity_pattern.push_back(i < layers / 3 ? 0.95 : 0.0);
    config.sliding.push_back((i + 1) % 5 != 0);
  }
  config.rope_theta = 1e6;
  config.rope_local_base_freq = 1e4;
  config.rms_norm_eps = 1e-6f;
  config.final_logit_softcapping = 30;
  config.altup_correct_scale = true;
  return config;
}

// Bytes per second of all threads summing `bytes` of memory, the best of a few times.
double StreamingRead(int64_t bytes, ThreadPool& pool) {
  constexpr int64_t kPieceFloats = 1 << 16;
  AlignedBuffer<float> memory(bytes / sizeof(float));
  const int64_t pieces = static_cast<int64_t>(memory.size()) / kPieceFloats;
  std::vector<float> sums(pieces);
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    const Clock::time_point start = Clock::now();
    pool.ParallelFor(pieces, [&](size_t piece) {
      sums[piece] = kernels::Sum(memory.data() + piece * kPieceFloats, kPieceFloats);
    });
    best = std::min(best, SecondsSince(start));
  }
  return static_cast<double>(pieces * kPieceFloats * sizeof(float)) / best;
}

// What the sparse layers do not read, if as many gates survive as are meant to.
double SkippedBytes(const DecoderWeights& weights) {
  double bytes = 0;
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    bytes += weights.config.activation_sparsity_pattern[i] *
             static_cast<double>(weights.layers[i].feed_forward.up_proj.bytes());
  }
  return bytes;
}

void Run(int64_t layers, int threads, int64_t prompt, int64_t steps) {
  ThreadPool pool(threads);
  const RandomDecoder model(Shape(layers), 1, DType::kBF16);
  Decoder decoder(model.weights(), pool);
  DecoderState state(model.weights().config, {.context_length = 4 * prompt + steps + 1});
  std::vector<DecoderInput> inputs(prompt);
  for (int64_t i = 0; i < prompt; ++i) inputs[i].id = static_cast<int32_t>(i * 911 % 32768);
  std::vector<float> logits(decoder.vocab_size());

  std::vector<double> prefill;
  for (int i = 0; i < 3; ++i) {
    const Clock::time_point start = Clock::now();
    decoder.Prefill(state, inputs, LogitsWanted::kLast, logits);
    prefill.push_back(SecondsSince(start));
  }
  std::vector<double> step;
  for (int64_t i = 0; i < steps; ++i) {
    const Clock::time_point start = Clock::now();
    decoder.Step(state, static_cast<int32_t>(i), logits);
    step.push_back(SecondsSince(start));
  }
  const double bandwidth = StreamingRead(int64_t{1} << 30, pool);
  const double bytes = static_cast<double>(WeightBytesPerStep(model.weights(), decoder.shape())) -
                       SkippedBytes(model.weights());
  const double seconds = Median(step), best = *std::min_element(step.begin(), step.end());
  std::printf("isa %s, %d threads, %lld layers of E2B's shape, bf16\n",
              kernels::ActiveIsa().c_str(), pool.num_threads(), static_cast<long long>(layers));
  std::printf("prefill  %8.1f tokens/s (chunks of %lld)\n",
              static_cast<double>(prompt) / Median(prefill), static_cast<long long>(prompt));
  std::printf("step     %8.1f tokens/s median, %.1f best; %.1f ms\n", 1 / seconds, 1 / best,
              1e3 * seconds);
  std::printf("weights  %8.1f MB read each step, %.2f GB/s median, %.2f best\n", bytes / 1e6,
              bytes / seconds / 1e9, bytes / best / 1e9);
  std::printf("memory   %8.2f GB/s streaming read\n", bandwidth / 1e9);
  std::printf("share    %8.0f %% of it median, %.0f %% best\n", 100 * bytes / seconds / bandwidth,
              100 * bytes / best / bandwidth);
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  const auto argument = [&](int i, long long fallback) {
    return argc > i ? std::atoll(argv[i]) : fallback;
  };
  gemma3n::Run(argument(1, 10), static_cast<int>(argument(2, 0)), argument(3, 256),
               argument(4, 16));
}
