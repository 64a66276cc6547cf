// SPDX-License-Identifier: Apache-2.0
// Sizes that share a pass give the bits that each gives alone.
#include "model/many_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/decoder.h"
#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

constexpr int64_t kTokens = 100;

std::vector<DecoderInput> Inputs() {
  std::vector<DecoderInput> inputs(kTokens);
  for (int64_t i = 0; i < kTokens; ++i) inputs[i].id = static_cast<int32_t>((i * 37 + i * i) % 131);
  return inputs;
}

// Of TinyConfig, whose layers 2 and 3 write the keys and values that layers 4, 5 and 6 read.
std::vector<SubmodelShape> Shapes() {
  const SubmodelShape full = SubmodelShape::Full(TinyConfig());
  std::vector<SubmodelShape> shapes = {full,
                                       {{0, 1, 2, 3, 6}, {96, 128, 96, 80, 100}},
                                       {{1, 2, 3, 5, 6}, {7, 40, 80, 64, 1}},
                                       {{2, 3}, {96, 80}},
                                       {{0, 1}, {96, 128}},
                                       full};                    // twice
  for (size_t layer = 0; layer < full.layers.size(); ++layer) {  // each narrower, one at a time
    shapes.push_back(full);
    shapes.back().intermediate_size[layer] /= 2;
  }
  for (size_t layer : {0, 1, 4, 5, 6}) {  // each left out
    shapes.push_back(full);
    shapes.back().layers.erase(shapes.back().layers.begin() + static_cast<long>(layer));
    shapes.back().intermediate_size.erase(shapes.back().intermediate_size.begin() +
                                          static_cast<long>(layer));
  }
  return shapes;
}

// The logits of the last `wanted` positions, of each size.
std::vector<std::vector<float>> Together(const DecoderWeights& weights, int64_t wanted,
                                         const std::vector<SubmodelShape>& shapes) {
  ThreadPool pool(2);
  ManySizes many(weights, pool,
                 {.max_rows = kTokens + 7, .logit_rows = 16, .kv_type = ops::KeyValueType::kF16});
  std::vector<std::vector<float>> logits(shapes.size());
  const auto take = [&](size_t size, int64_t first_row, std::span<const float> rows) {
    EXPECT_EQ(first_row * many.vocab_size(), static_cast<int64_t>(logits[size].size()));
    logits[size].insert(logits[size].end(), rows.begin(), rows.end());
  };
  for (int round = 0; round < 2; ++round) {  // a second run finds nothing of the first
    logits.assign(shapes.size(), {});
    EXPECT_TRUE(many.Run(Inputs(), wanted, shapes, take, [] { return true; }));
  }
  return logits;
}

std::vector<float> Alone(const DecoderWeights& weights, int64_t wanted,
                         const SubmodelShape& shape) {
  ThreadPool pool(2);
  Decoder decoder(weights, pool, {.shape = &shape});
  DecoderState state(weights.config,
                     {.context_length = kTokens, .kv_type = ops::KeyValueType::kF16});
  std::vector<float> logits(static_cast<size_t>(kTokens * decoder.vocab_size()));
  decoder.Prefill(state, Inputs(), LogitsWanted::kAll, logits);
  return {logits.end() - wanted * decoder.vocab_size(), logits.end()};
}

TEST(ManySizes, GiveTheBitsThatEachGivesAlone) {
  const RandomDecoder model(TinyConfig(), 3, DType::kBF16);
  const std::vector<SubmodelShape> shapes = Shapes();
  for (int64_t wanted : {int64_t{1}, int64_t{21}, kTokens}) {
    const auto together = Together(model.weights(), wanted, shapes);
    for (size_t i = 0; i < shapes.size(); ++i) {
      EXPECT_EQ(together[i], Alone(model.weights(), wanted, shapes[i])) << i << " of " << wanted;
    }
  }
}

TEST(ManySizes, CanBeCancelled) {
  const RandomDecoder model(TinyConfig(), 3, DType::kF32);
  ThreadPool pool(1);
  ManySizes many(model.weights(), pool, {.max_rows = kTokens});
  int asked = 0, given = 0;
  EXPECT_FALSE(many.Run(
      Inputs(), 1, Shapes(), [&](size_t, int64_t, std::span<const float>) { ++given; },
      [&] { return ++asked < 3; }));
  EXPECT_EQ(given, 0);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace gemma3n
