// SPDX-License-Identifier: Apache-2.0
// A submodel as a view computes, bit for bit, what a model does that holds nothing else.
#include "model/submodel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <list>

#include "gemma3n/error.h"
#include "model/decoder.h"
#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

// A model of its own, of a submodel's weights.
class CutDecoder {
 public:
  CutDecoder(const DecoderWeights& whole, const SubmodelShape& shape) : weights_(whole) {
    TextConfig& config = weights_.config;
    config.num_hidden_layers = static_cast<int64_t>(shape.layers.size());
    config.num_kv_shared_layers = 0;
    config.intermediate_size = shape.intermediate_size;
    config.activation_sparsity_pattern.clear();
    config.sliding.clear();
    weights_.layers.clear();
    weights_.per_layer.per_layer_model_projection.clear();
    for (size_t place = 0; place < shape.layers.size(); ++place) {
      const int layer = shape.layers[place];
      config.activation_sparsity_pattern.push_back(whole.config.activation_sparsity_pattern[layer]);
      config.sliding.push_back(whole.config.is_sliding(layer));
      config.num_kv_shared_layers += whole.config.shares_kv(layer) ? 1 : 0;
      weights_.per_layer.per_layer_model_projection.push_back(
          whole.per_layer.per_layer_model_projection[layer]);
      weights_.layers.push_back(whole.layers[layer]);
      FeedForwardWeights& neurons = weights_.layers.back().feed_forward;
      const int64_t width = shape.intermediate_size[place];
      neurons.gate_proj = neurons.gate_proj.Rows(0, width);
      neurons.up_proj = neurons.up_proj.Rows(0, width);
      neurons.down_proj = Columns(neurons.down_proj, 0, width);
    }
    CutTable(whole, shape);
  }
  const DecoderWeights& weights() const { return weights_; }

 private:
  // A copy of the columns [begin, begin + count) of float32.
  TensorView Columns(const TensorView& view, int64_t begin, int64_t count) {
    std::vector<float>& copy = memory_.emplace_back();
    for (int64_t row = 0; row < view.shape[0]; ++row) {
      const float* from = view.as<float>() + row * view.shape[1] + begin;
      copy.insert(copy.end(), from, from + count);
    }
    return {DType::kF32, {view.shape[0], count}, reinterpret_cast<const std::byte*>(copy.data())};
  }

  void CutTable(const DecoderWeights& whole, const SubmodelShape& shape) {
    const TensorView& table = whole.per_layer.embed_tokens_per_layer;
    const int64_t width = whole.config.hidden_size_per_layer_input;
    std::vector<float>& copy = memory_.emplace_back();
    for (int64_t row = 0; row < table.shape[0]; ++row) {
      for (int layer : shape.layers) {
        const float* from = table.as<float>() + row * table.shape[1] + layer * width;
        copy.insert(copy.end(), from, from + width);
      }
    }
    const int64_t columns = static_cast<int64_t>(shape.layers.size()) * width;
    weights_.per_layer.embed_tokens_per_layer = {
        DType::kF32, {table.shape[0], columns}, reinterpret_cast<const std::byte*>(copy.data())};
  }

  std::list<std::vector<float>> memory_;
  DecoderWeights weights_;
};

constexpr int64_t kTokens = 160;  // more than two windows

std::vector<DecoderInput> Inputs() {
  std::vector<DecoderInput> inputs(kTokens);
  for (int64_t i = 0; i < kTokens; ++i) inputs[i].id = static_cast<int32_t>((i * 37 + i * i) % 131);
  return inputs;
}

std::vector<float> AllLogits(const DecoderWeights& weights, const SubmodelShape* shape,
                             int threads = 2) {
  ThreadPool pool(threads);
  Decoder decoder(weights, pool, {.max_chunk = 50, .shape = shape});
  DecoderState state(weights.config, {.context_length = kTokens});
  std::vector<float> logits(kTokens * decoder.vocab_size());
  decoder.Prefill(state, Inputs(), LogitsWanted::kAll, logits);
  return logits;
}

// Of TinyConfig, whose layers 2 and 3 write the keys and values that layers 4, 5 and 6 read.
const SubmodelShape kShapes[] = {
    {{0, 1, 2, 3, 4, 5, 6}, {48, 128, 33, 80, 17, 64, 50}},
    {{0, 1, 2, 3, 6}, {96, 128, 96, 80, 100}},
    {{1, 2, 3, 5, 6}, {7, 40, 80, 64, 1}},
    {{2, 3}, {96, 80}},
    {{0, 1}, {96, 128}},  // nobody reads others'
};

TEST(Submodel, AViewIsTheCutModelBitForBit) {
  const RandomDecoder model(TinyConfig(), 3, DType::kF32);
  for (const SubmodelShape& shape : kShapes) {
    CheckShape(model.weights(), shape);
    const CutDecoder cut(model.weights(), shape);
    const std::vector<float> expected = AllLogits(cut.weights(), nullptr);
    EXPECT_EQ(AllLogits(model.weights(), &shape), expected);
    EXPECT_EQ(AllLogits(model.weights(), &shape, 3), expected);
    EXPECT_NE(AllLogits(model.weights(), nullptr), expected);
  }
}

TEST(Submodel, ADecoderSwitches) {
  const RandomDecoder model(TinyConfig(), 3, DType::kF32);
  ThreadPool pool(2);
  Decoder decoder(model.weights(), pool);
  const SubmodelShape full = decoder.shape();
  for (const SubmodelShape& shape : kShapes) {
    for (const SubmodelShape& next : {shape, full}) {  // down and up again
      decoder.SetShape(next);
      DecoderState state(model.weights().config, {.context_length = kTokens});
      std::vector<float> logits(kTokens * decoder.vocab_size());
      decoder.Prefill(state, Inputs(), LogitsWanted::kAll, logits);
      EXPECT_EQ(logits, AllLogits(model.weights(), &next));
    }
  }
}

TEST(Submodel, KeysAndValuesAreSharedWhereTheLowerLayersAgree) {
  const TextConfig config = TinyConfig();
  const SubmodelShape full = SubmodelShape::Full(config);
  SubmodelShape upper = full;  // narrower from the last layer on that writes keys and values
  upper.intermediate_size[3] = upper.intermediate_size[5] = 8;
  upper.layers.erase(upper.layers.begin() + 4);
  upper.intermediate_size.erase(upper.intermediate_size.begin() + 4);
  EXPECT_TRUE(ShareKeysValues(config, full, upper));
  SubmodelShape lower = full;
  lower.intermediate_size[2] = 8;
  EXPECT_FALSE(ShareKeysValues(config, full, lower));
  EXPECT_FALSE(ShareKeysValues(config, full, kShapes[2]));
  EXPECT_FALSE(ShareKeysValues(config, full, kShapes[4]));

  // And so they are: a prompt read at one size is gone on with at the other.
  const RandomDecoder model(config, 4, DType::kF32);
  ThreadPool pool(2);
  const auto last_logits = [&](const SubmodelShape& reads, const SubmodelShape& answers) {
    Decoder decoder(model.weights(), pool, {.shape = &reads});
    DecoderState state(config, {.context_length = kTokens});
    std::vector<float> logits(decoder.vocab_size());
    const std::vector<DecoderInput> inputs = Inputs();
    decoder.Prefill(state, std::span(inputs).first(kTokens - 1), LogitsWanted::kNone, {});
    decoder.SetShape(answers);
    decoder.Step(state, inputs.back().id, logits);
    return logits;
  };
  EXPECT_EQ(last_logits(full, upper), last_logits(upper, upper));
  EXPECT_EQ(last_logits(upper, full), last_logits(full, full));
  EXPECT_NE(last_logits(lower, full), last_logits(full, full));
}

TEST(Draft, FinishedItGivesTheLogitsOfSteps) {
  const TextConfig config = TinyConfig();
  const RandomDecoder model(config, 6, DType::kF32);
  const SubmodelShape full = SubmodelShape::Full(config);
  const SubmodelShape exits{{0, 1, 2, 3}, {96, 128, 96, 80}};  // nothing above the seam
  const SubmodelShape thin{{0, 1, 2, 3, 6}, {96, 128, 96, 80, 10}};
  ThreadPool pool(2);
  const std::vector<DecoderInput> inputs = Inputs();
  Decoder plain(model.weights(), pool), drafting(model.weights(), pool);
  for (const SubmodelShape& shape : {exits, thin, full}) {
    ASSERT_TRUE(ShareLowerLayers(config, full, shape));
    const Submodel draft(model.weights(), shape);
    DecoderState state(config, {.context_length = kTokens}),
        twin(config, {.context_length = kTokens});
    const size_t vocab = static_cast<size_t>(plain.vocab_size());
    std::vector<float> expected(vocab), drafted(vocab), finished(5 * vocab);
    plain.Prefill(twin, std::span(inputs).first(90), LogitsWanted::kLast, expected);
    drafting.Prefill(state, std::span(inputs).first(90), LogitsWanted::kLast, drafted);
    for (size_t at = 90; at < 150; at += 3) {
      Draft kept(model.weights().config, 5);
      for (size_t i = 0; i < 5; ++i) {  // two of five will be taken back
        drafting.DraftStep(state, draft, inputs[at + i].id, kept, drafted);
      }
      EXPECT_EQ(kept.rows(), 5);
      drafting.FinishDraft(state, kept, finished);
      for (size_t i = 0; i < 3; ++i) {
        plain.Step(twin, inputs[at + i].id, expected);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), finished.begin() + i * vocab))
            << at + i;
      }
      ASSERT_TRUE(state.CanRewind(twin.position()));
      state.Rewind(twin.position());
    }
  }
  SubmodelShape lower = full;
  lower.intermediate_size[3] = 8;  // the same keys and values, but not the same streams
  EXPECT_TRUE(ShareKeysValues(config, full, lower));
  EXPECT_FALSE(ShareLowerLayers(config, full, lower));
}

TEST(CheckShape, SaysWhatIsWrong) {
  const RandomDecoder model(TinyConfig(), 3, DType::kF32);
  const auto refusal = [&](const SubmodelShape& shape) -> std::string {
    try {
      CheckShape(model.weights(), shape);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({{}, {}}), testing::HasSubstr("at least one"));
  EXPECT_THAT(refusal({{0, 7}, {1, 1}}),
              testing::HasSubstr("layer 7: the model has layers 0 to 6"));
  EXPECT_THAT(refusal({{-1}, {1}}), testing::HasSubstr("layers 0 to 6"));
  EXPECT_THAT(refusal({{1, 0}, {1, 1}}), testing::HasSubstr("ascend"));
  EXPECT_THAT(refusal({{0, 3, 6}, {1, 1, 1}}),
              testing::HasSubstr("layer 2 cannot be left out: layer 6 reads"));
  EXPECT_THAT(refusal({{0}, {97}}), testing::HasSubstr("expected 1 to 96, found 97"));
  EXPECT_THAT(refusal({{0}, {0}}), testing::HasSubstr("expected 1 to 96, found 0"));
}

}  // namespace
}  // namespace gemma3n
