// SPDX-License-Identifier: Apache-2.0
// What must hold of the decoder bit for bit, on random weights: however a sequence is cut, cached,
// skipped and threaded, the logits are the same. Agreement with the reference is tested under
// tests/.
#include "model/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "gemma3n/error.h"
#include "tiny/count_allocations.h"
#include "tiny/random_decoder.h"

namespace gemma3n {
namespace {

constexpr int64_t kTokens = 200;  // more than two windows of TinyConfig

std::vector<DecoderInput> Inputs(int64_t count, int64_t vocab) {
  std::vector<DecoderInput> inputs(count);
  for (int64_t i = 0; i < count; ++i) inputs[i].id = static_cast<int32_t>((i * 37 + i * i) % vocab);
  return inputs;
}

struct Way {
  Decoder::Options decoder = {};
  SlidingCache sliding_cache = SlidingCache::kRing;
  int threads = 2;
  int64_t first_call = kTokens;  // then the rest
  ops::KeyValueType kv_type = ops::KeyValueType::kF32;
};

// The logits of all positions.
std::vector<float> AllLogits(const DecoderWeights& weights, const Way& run) {
  ThreadPool pool(run.threads);
  Decoder decoder(weights, pool, run.decoder);
  DecoderState state(weights.config, {.context_length = kTokens,
                                      .max_chunk = run.decoder.max_chunk,
                                      .sliding_cache = run.sliding_cache,
                                      .kv_type = run.kv_type});
  const std::vector<DecoderInput> inputs = Inputs(kTokens, weights.config.vocab_size);
  std::vector<float> logits(kTokens * decoder.vocab_size());
  const std::span<float> out(logits);
  const int64_t cut = run.first_call * decoder.vocab_size();
  decoder.Prefill(state, std::span(inputs).first(run.first_call), LogitsWanted::kAll,
                  out.first(cut));
  decoder.Prefill(state, std::span(inputs).subspan(run.first_call), LogitsWanted::kAll,
                  out.subspan(cut));
  EXPECT_EQ(state.position(), kTokens);
  return logits;
}

TextConfig WithoutSharing() {
  TextConfig config = TinyConfig();
  config.num_kv_shared_layers = 0;
  return config;
}

TextConfig Ragged() {  // nothing is a multiple of a vector
  TextConfig config = TinyConfig();
  config.vocab_size = 97;
  config.hidden_size = 51;
  config.num_attention_heads = 3;
  config.num_key_value_heads = 1;
  config.head_dim = 10;
  config.altup_num_inputs = 3;
  config.laurel_rank = 5;
  config.hidden_size_per_layer_input = 7;
  config.intermediate_size = {90, 33, 61, 90, 17, 90, 90};
  return config;
}

TextConfig TwoStreamsAllFull() {
  TextConfig config = TinyConfig();
  config.altup_num_inputs = 2;
  config.sliding.assign(7, false);
  config.activation_sparsity_pattern.assign(7, 0.0);
  config.final_logit_softcapping = 0;
  return config;
}

struct Case {
  const char* name;
  TextConfig config;
  DType dtype;
};

class DecoderProperties : public testing::TestWithParam<Case> {
 protected:
  const RandomDecoder model_{GetParam().config, 5, GetParam().dtype};
  const DecoderWeights& weights() const { return model_.weights(); }
};

TEST_P(DecoderProperties, AnyWayOfCuttingGivesTheSameBits) {
  const std::vector<float> whole = AllLogits(weights(), {});
  for (float logit : whole) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(whole, AllLogits(weights(), {.decoder = {.max_chunk = 1}}));
  EXPECT_EQ(whole, AllLogits(weights(), {.decoder = {.max_chunk = 23}}));
  EXPECT_EQ(whole, AllLogits(weights(), {.decoder = {.max_chunk = 64}, .first_call = 71}));
}

TEST_P(DecoderProperties, RingsForgetNothingThatIsSeen) {
  const Way ring{.decoder = {.max_chunk = 9}};
  const Way full{.decoder = {.max_chunk = 9}, .sliding_cache = SlidingCache::kFull};
  EXPECT_EQ(AllLogits(weights(), ring), AllLogits(weights(), full));
}

TEST_P(DecoderProperties, SmallerCachesAreNearAndAsFirm) {
  const std::vector<float> exact = AllLogits(weights(), {});
  // Sparse layers of so small a model jump where a gate passes its cutoff.
  for (const auto& [type, bound] :
       {std::pair(ops::KeyValueType::kF16, 0.02), std::pair(ops::KeyValueType::kInt8, 0.2)}) {
    const std::vector<float> whole = AllLogits(weights(), {.kv_type = type});
    EXPECT_EQ(
        whole,
        AllLogits(weights(),
                  {.decoder = {.max_chunk = 9}, .threads = 1, .first_call = 71, .kv_type = type}));
    double error = 0, size = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      error += std::pow(double{whole[i]} - exact[i], 2);
      size += std::pow(double{exact[i]}, 2);
    }
    EXPECT_LT(std::sqrt(error / size), bound);
    EXPECT_GT(error, 0);
  }
}

TEST_P(DecoderProperties, ThreadsChangeNoBit) {
  EXPECT_EQ(AllLogits(weights(), {.threads = 1}), AllLogits(weights(), {.threads = 3}));
}

// Sequences that are stepped together, each beside one of its own that steps alone.
class Together {
 public:
  Together(const DecoderWeights& weights, const Way& way)
      : weights_(weights), way_(way), pool_(way.threads), decoder_(weights, pool_, way.decoder) {}

  // One more, which has read `positions`.
  void Join(int64_t positions) {
    auto sequence = std::make_unique<Sequence>(Sequence{NewState(), NewState(), next_id_});
    const int64_t vocab = decoder_.vocab_size();
    std::vector<DecoderInput> inputs = Inputs(positions, vocab);
    inputs[0].id = next_id_++ % static_cast<int32_t>(vocab);
    for (DecoderState* state : {&sequence->together, &sequence->alone}) {
      decoder_.Prefill(*state, inputs, LogitsWanted::kNone, {});
    }
    sequences_.push_back(std::move(sequence));
  }
  void Leave(size_t which) { sequences_.erase(sequences_.begin() + static_cast<ptrdiff_t>(which)); }

  void Step(int times) {
    const size_t vocab = static_cast<size_t>(decoder_.vocab_size()), count = sequences_.size();
    std::vector<float> logits(count * vocab), alone(vocab);
    for (int i = 0; i < times; ++i) {
      std::vector<DecoderState*> states;
      std::vector<int32_t> ids;
      for (const auto& sequence : sequences_) {
        states.push_back(&sequence->together);
        ids.push_back(sequence->id);
      }
      decoder_.StepMany(states, ids, logits);
      for (size_t row = 0; row < count; ++row) {
        Sequence& sequence = *sequences_[row];
        decoder_.Step(sequence.alone, sequence.id, alone);
        ASSERT_TRUE(std::equal(alone.begin(), alone.end(), logits.begin() + row * vocab))
            << "row " << row << " of " << count << ", position " << sequence.alone.position();
        ASSERT_EQ(sequence.together.position(), sequence.alone.position());
        sequence.id = static_cast<int32_t>((sequence.id * 7 + 5) % static_cast<int32_t>(vocab));
      }
    }
  }

 private:
  struct Sequence {
    DecoderState together, alone;
    int32_t id;
  };
  DecoderState NewState() const {
    return DecoderState(weights_.config, {.context_length = 2 * kTokens,
                                          .max_chunk = way_.decoder.max_chunk,
                                          .sliding_cache = way_.sliding_cache,
                                          .kv_type = way_.kv_type});
  }

  const DecoderWeights& weights_;
  Way way_;
  ThreadPool pool_;
  Decoder decoder_;
  int32_t next_id_ = 3;
  std::vector<std::unique_ptr<Sequence>> sequences_;
};

TEST_P(DecoderProperties, SequencesThatStepTogetherStepAsAlone) {
  for (const Way& way : {Way{}, Way{.decoder = {.max_chunk = 9}, .threads = 1},
                         Way{.decoder = {.max_chunk = 9}, .kv_type = ops::KeyValueType::kF16},
                         Way{.threads = 3, .kv_type = ops::KeyValueType::kInt8}}) {
    Together together(weights(), way);
    together.Join(150);  // past the window: rings of short chunks have wrapped
    together.Step(2);
    together.Join(1);
    together.Join(64);
    together.Step(3);
    together.Leave(0);
    together.Step(2);
    for (int64_t positions : {190, 63, 17, 2, 128}) together.Join(positions);
    together.Step(9);
    together.Leave(3);
    together.Step(1);
    if (HasFatalFailure()) return;
  }
}

TEST_P(DecoderProperties, SkippingChangesNoBit) {
  const int64_t vocab = weights().config.vocab_size;
  const std::vector<float> all = AllLogits(weights(), {});
  const std::vector<float> expected(all.end() - vocab, all.end());
  const std::vector<DecoderInput> inputs = Inputs(kTokens, vocab);
  for (bool skip : {true, false}) {
    ThreadPool pool(2);
    Decoder decoder(weights(), pool, {.max_chunk = 64, .skip_unseen = skip});
    DecoderState state(weights().config, {.context_length = kTokens, .max_chunk = 64});
    std::vector<float> last(vocab);
    decoder.Prefill(state, std::span(inputs).first(100), LogitsWanted::kNone, {});
    decoder.Prefill(state, std::span(inputs).subspan(100, 99), LogitsWanted::kLast, last);
    decoder.Step(state, inputs.back().id, last);
    EXPECT_EQ(last, expected) << "skip " << skip;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, DecoderProperties,
                         testing::Values(Case{"Tiny", TinyConfig(), DType::kBF16},
                                         Case{"WithoutSharing", WithoutSharing(), DType::kF32},
                                         Case{"Ragged", Ragged(), DType::kF16},
                                         Case{"TwoStreamsAllFull", TwoStreamsAllFull(),
                                              DType::kBF16}),
                         [](const auto& test) { return test.param.name; });

class DecoderTest : public testing::Test {
 protected:
  const RandomDecoder model_{TinyConfig(), 5, DType::kBF16};
  const DecoderWeights& weights_ = model_.weights();
  const int64_t vocab_ = weights_.config.vocab_size;
  ThreadPool pool_{2};
  Decoder decoder_{weights_, pool_};
  const std::vector<DecoderInput> inputs_ = Inputs(kTokens, vocab_);

  DecoderState State(int64_t context_length) const {
    return DecoderState(weights_.config, {.context_length = context_length});
  }
  std::vector<float> Last(DecoderState& state, std::span<const DecoderInput> inputs) {
    std::vector<float> logits(vocab_);
    decoder_.Prefill(state, inputs, LogitsWanted::kLast, logits);
    return logits;
  }
};

// Whether `act` comes to allocate nothing. A thread takes memory of its own with its first piece of
// a kind of work, which on a busy machine may be late.
template <class Act>
bool ComesToAllocateNothing(const Act& act) {
  for (int round = 0; round < 50; ++round) {
    const int64_t before = AllocationCount();
    EXPECT_GT(before, 0) << "nobody counts";
    for (int i = 0; i < 20; ++i) act();
    if (AllocationCount() == before) return true;
  }
  return false;
}

TEST_F(DecoderTest, AStepAllocatesNothing) {
  DecoderState state = State(2000);
  std::vector<float> logits = Last(state, std::span(inputs_).first(90));
  EXPECT_TRUE(ComesToAllocateNothing([&] { decoder_.Step(state, 7, logits); }));
}

TEST_F(DecoderTest, AStepOfManyAllocatesNothing) {
  DecoderState a = State(2000), b = State(2000);
  Last(a, std::span(inputs_).first(90));
  Last(b, std::span(inputs_).first(40));
  DecoderState* const states[] = {&a, &b};
  const std::vector<int32_t> ids = {3, 4};
  std::vector<float> logits(2 * vocab_);
  EXPECT_TRUE(ComesToAllocateNothing([&] { decoder_.StepMany(states, ids, logits); }));
}

TEST_F(DecoderTest, AFullSequenceIsRefusedBeforeAnyOfThemSteps) {
  DecoderState a = State(kTokens), full = State(20);
  Last(a, std::span(inputs_).first(30));
  Last(full, std::span(inputs_).first(20));
  DecoderState* const states[] = {&a, &full};
  std::vector<float> logits(2 * vocab_);
  EXPECT_THROW(decoder_.StepMany(states, std::vector<int32_t>{1, 2}, logits), Error);
  EXPECT_EQ(a.position(), 30);
}

TEST_F(DecoderTest, TooLongAPromptIsRefusedBeforeAnythingChanges) {
  DecoderState state = State(100), twin = State(100);
  Last(state, std::span(inputs_).first(50));
  Last(twin, std::span(inputs_).first(50));
  try {
    Last(state, std::span(inputs_).first(51));
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRequest);
    EXPECT_THAT(error.what(), testing::HasSubstr("101 positions but the context holds 100"));
  }
  EXPECT_EQ(state.position(), 50);
  const auto rest = std::span(inputs_).subspan(50, 50);
  EXPECT_EQ(Last(state, rest), Last(twin, rest));
  std::vector<float> logits(vocab_);
  EXPECT_THROW(decoder_.Step(state, 1, logits), Error);
}

TEST_F(DecoderTest, IdsWithoutEmbeddingAreRefused) {
  DecoderState state = State(100);
  for (int32_t id : {-1, static_cast<int32_t>(vocab_)}) {
    std::vector<DecoderInput> inputs = Inputs(3, vocab_);
    inputs[2].id = id;
    EXPECT_THROW(Last(state, inputs), Error);
    EXPECT_EQ(state.position(), 0);
  }
}

TEST_F(DecoderTest, RewindForgetsWhatCameAfter) {
  DecoderState state = State(kTokens), fresh = State(kTokens);
  Last(state, inputs_);
  ASSERT_TRUE(state.CanRewind(150));
  state.Rewind(150);
  Last(fresh, std::span(inputs_).first(150));
  const std::vector<DecoderInput> other = Inputs(20, 31);
  EXPECT_EQ(Last(state, other), Last(fresh, other));
  state.Rewind(0);
  DecoderState first = State(kTokens);
  EXPECT_EQ(Last(state, other), Last(first, other));
}

TEST_F(DecoderTest, RewindIsRefusedWhereTheRingHasForgotten) {
  DecoderState state(weights_.config, {.context_length = 2000, .max_chunk = 16});
  const std::vector<DecoderInput> inputs = Inputs(1000, vocab_);
  Last(state, inputs);
  EXPECT_TRUE(state.CanRewind(1000));
  EXPECT_TRUE(state.CanRewind(985));  // as promised: a chunk
  EXPECT_FALSE(state.CanRewind(500));
  EXPECT_FALSE(state.CanRewind(1001));
  EXPECT_TRUE(state.CanRewind(0));
}

TEST_F(DecoderTest, AShortConversationAfterALongOneRewindsAsAFreshOneDoes) {
  DecoderState state(weights_.config, {.context_length = 2000, .max_chunk = 16});
  Last(state, Inputs(1000, vocab_));
  state.Rewind(0);
  Last(state, Inputs(60, vocab_));
  EXPECT_TRUE(state.CanRewind(50)) << "what the long one overwrote is forgotten";
}

TEST_F(DecoderTest, ASoftTokenTakesThePlaceOfAnEmbedding) {
  const int64_t hidden = weights_.config.hidden_size;
  std::vector<float> row(hidden);
  const Bf16* table = weights_.embedding.embed_tokens.as<Bf16>();
  for (int64_t i = 0; i < hidden; ++i) {
    row[i] = ToFloat(table[7 * hidden + i]) * std::sqrt(static_cast<float>(hidden));
  }
  std::vector<DecoderInput> ids = Inputs(10, vocab_), soft = ids;
  ids[4].id = 7;
  soft[4] = {.id = 7, .soft_token = row.data()};
  DecoderState a = State(10), b = State(10), c = State(10);
  const std::vector<float> expected = Last(a, ids);
  EXPECT_EQ(Last(b, soft), expected);
  row[0] += 1;
  EXPECT_NE(Last(c, soft), expected);
}

class Recorder : public DecoderObserver {
 public:
  void Observe(const Observation& seen) override {
    const std::string name = std::to_string(seen.layer) + "." + std::string(seen.name);
    rows[name] += seen.rows.rows;
    widths[name] = seen.width;
  }
  std::map<std::string, int64_t> rows, widths;
};

TEST_F(DecoderTest, AnObserverSeesEveryStepAndChangesNothing) {
  Recorder recorder;
  Decoder watched(weights_, pool_, {.max_chunk = 8, .observer = &recorder});
  DecoderState state = State(20), plain = State(20);
  std::vector<float> logits(20 * vocab_), expected(20 * vocab_);
  const auto inputs = std::span(inputs_).first(20);
  watched.Prefill(state, inputs, LogitsWanted::kAll, logits);
  decoder_.Prefill(plain, inputs, LogitsWanted::kAll, expected);
  EXPECT_EQ(logits, expected);
  for (const char* name : {"-1.embedding",  "-1.stream_3",
                           "-1.merged",     "-1.logits_uncapped",
                           "-1.logits",     "0.per_layer_input",
                           "0.predicted_0", "0.normed",
                           "0.query",       "0.key",
                           "0.value",       "0.attention",
                           "0.laurel",      "0.attention_laurel",
                           "0.survivors",   "0.activated",
                           "0.correction",  "6.stream_0",
                           "6.stream_3",    "6.query"}) {
    EXPECT_EQ(recorder.rows[name], 20) << name;
  }
  EXPECT_EQ(recorder.rows.count("6.key"), 0u) << "layer 6 shares";
  EXPECT_EQ(recorder.widths["0.correction"], 4);
}

TEST(CutoffDeviations, IsTheInverseNormalDistribution) {
  EXPECT_FLOAT_EQ(CutoffDeviations(0.95f), 1.6448535f);
  EXPECT_FLOAT_EQ(CutoffDeviations(0.5f), 0.0f);
  EXPECT_FLOAT_EQ(CutoffDeviations(0.9f), 1.2815515f);
  EXPECT_FLOAT_EQ(CutoffDeviations(0.3f), -0.5244005f);
  EXPECT_TRUE(std::isinf(CutoffDeviations(1.0f)));
}

}  // namespace
}  // namespace gemma3n
