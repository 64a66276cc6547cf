// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <numbers>
#include <random>

#include "engine/loaded_model.h"
#include "engine/media_encoder.h"
#include "engine/memory.h"
#include "engine/peak_memory.h"
#include "kernels/int_dot.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "ops/key_value_rows.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool GoesOn(const ProgressCallback& on_progress, const std::string& what, int64_t done,
            int64_t total) {
  return !on_progress || on_progress({what, done, total});
}

constexpr int64_t kPiece = Decoder::Options{}.max_chunk;

// A sequence of made-up ids under way.
struct Sequence {
  Sequence(LoadedModel& model, int64_t context)
      : decoder(model.NewDecoder()),
        state(model.config.text,
              {.context_length = Checked(model, context), .kv_type = model.kv_type}),
        logits(static_cast<size_t>(model.config.text.vocab_size)) {
    std::mt19937 random(1);
    const int64_t ids =
        std::min(model.config.text.vocab_size, model.config.text.vocab_size_per_layer_input);
    for (int64_t i = 0; i < context; ++i) {
      inputs.push_back({.id = static_cast<int32_t>(random() % static_cast<uint64_t>(ids))});
    }
  }

  static int64_t Checked(const LoadedModel& model, int64_t context) {
    if (context > model.facts.max_context) {
      throw Error(ErrorKind::kRequest, "context: expected at most " +
                                           std::to_string(model.facts.max_context) +
                                           " positions, found " + std::to_string(context));
    }
    CheckContextFits(model.config.text, context, model.kv_type);
    return context;
  }

  bool PrefillTo(int64_t position, const ProgressCallback& on_progress) {
    while (state.position() < position) {
      if (!on_progress({"", state.position(), position})) return false;
      const int64_t count = decoder->NextChunk(position - state.position());
      const bool last = state.position() + count == position;
      decoder->Prefill(state,
                       std::span(inputs).subspan(static_cast<size_t>(state.position()),
                                                 static_cast<size_t>(count)),
                       last ? LogitsWanted::kLast : LogitsWanted::kNone,
                       last ? std::span<float>(logits) : std::span<float>());
    }
    return true;
  }

  void Step() { decoder->Step(state, inputs[static_cast<size_t>(state.position())].id, logits); }

  std::unique_ptr<Decoder> decoder;
  DecoderState state;
  std::vector<float> logits;
  std::vector<DecoderInput> inputs;
};

// Smooth, with edges, no two pixels alike.
Image Picture(int64_t side) {
  Image image{static_cast<int>(side), static_cast<int>(side), {}};
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      const bool square = (x / 32 + y / 32) % 2 == 0;
      for (int64_t value : {x * 255 / side, y * 255 / side, int64_t{square ? 200 : 40}}) {
        image.rgb.push_back(static_cast<uint8_t>(value));
      }
    }
  }
  return image;
}

// A tone that rises and falls.
AudioClip Sound(double seconds, int rate) {
  AudioClip clip{.samples = {}, .sample_rate_hz = rate};
  const auto count = static_cast<int64_t>(seconds * rate);
  for (int64_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / rate;
    clip.samples.push_back(
        static_cast<float>(0.3 * std::sin(2 * std::numbers::pi * (400 * t + 60 * std::sin(t)))));
  }
  return clip;
}

class BenchmarkOfModel : public Benchmark {
 public:
  BenchmarkOfModel(std::unique_ptr<LoadedModel> model, int repetitions, Measurement loading)
      : model_(std::move(model)), repetitions_(repetitions), loading_(std::move(loading)) {}

  const ModelFacts& facts() const override { return model_->facts; }
  int threads() const override { return model_->pool.num_threads(); }
  std::string float_kernels() const override { return kernels::ActiveIsa(); }
  std::string integer_kernels() const override { return kernels::ActiveIntKernels().name; }
  std::string kv_type() const override { return ops::KeyValueTypeName(model_->kv_type); }
  const Measurement& loading() const override { return loading_; }

  std::optional<Measurement> Prefill(int64_t tokens, const ProgressCallback& on_progress) override {
    const std::string what = "prompt of " + std::to_string(tokens) + " tokens";
    Measurement result;
    PeakMemoryWatch watch;
    Sequence sequence(*model_, tokens);
    // The first pass touches pages that later ones find.
    const int64_t warm_up = std::min(tokens, kPiece);
    const int64_t total = warm_up + repetitions_ * tokens;
    int64_t before = 0;
    const ProgressCallback in_all = [&](const Progress& progress) {
      return GoesOn(on_progress, what, before + progress.done, total);
    };
    if (!sequence.PrefillTo(warm_up, in_all)) return std::nullopt;
    before = warm_up;
    for (int i = 0; i < repetitions_; ++i, before += tokens) {
      sequence.state.Rewind(0);
      const Clock::time_point begin = Clock::now();
      if (!sequence.PrefillTo(tokens, in_all)) return std::nullopt;
      result.seconds.push_back(SecondsSince(begin));
    }
    result.memory = watch.Stop();
    return result;
  }

  std::optional<Measurement> Decode(int64_t tokens, int64_t depth,
                                    const ProgressCallback& on_progress) override {
    const std::string what = std::to_string(tokens) + " steps at depth " + std::to_string(depth);
    Measurement result;
    PeakMemoryWatch watch;
    Sequence sequence(*model_, depth + tokens + 1);
    const int64_t total = depth + (repetitions_ + 1) * tokens;
    int64_t before = 0;
    const auto step = [&](int64_t count) {
      for (int64_t i = 0; i < count; ++i) {
        if (!GoesOn(on_progress, what, before + i, total)) return false;
        sequence.Step();
      }
      before += count;
      return true;
    };
    const auto go_to_depth = [&] {
      DecoderState& state = sequence.state;
      state.Rewind(state.position() > depth && state.CanRewind(depth) ? depth : 0);
      return sequence.PrefillTo(depth, [&](const Progress& progress) {
        return GoesOn(on_progress, what, progress.done, total);
      });
    };
    if (!go_to_depth()) return std::nullopt;
    before = depth;
    if (!step(std::min<int64_t>(tokens, 8))) return std::nullopt;  // not timed
    for (int i = 0; i < repetitions_; ++i) {
      if (!go_to_depth()) return std::nullopt;
      const Clock::time_point begin = Clock::now();
      if (!step(tokens)) return std::nullopt;
      result.seconds.push_back(SecondsSince(begin));
    }
    result.memory = watch.Stop();
    return result;
  }

  std::optional<Measurement> EncodeImage(int64_t size,
                                         const ProgressCallback& on_progress) override {
    return EncodeMedium(
        "picture of " + std::to_string(size), [size] { return Part(Picture(size)); }, size,
        on_progress);
  }

  std::optional<Measurement> EncodeClip(double seconds,
                                        const ProgressCallback& on_progress) override {
    const int rate = model_->audio ? static_cast<int>(model_->audio->sampling_rate_hz()) : 16000;
    return EncodeMedium(
        "sound", [=] { return Part(Sound(seconds, rate)); }, 0, on_progress);
  }

  std::string TextOfLength(int64_t tokens) const override {
    // One more word is one more token wherever the vocabulary holds it; else letters fill the rest.
    std::string text;
    const auto count = [&](const std::string& more) {
      return 1 +
             static_cast<int64_t>(
                 model_->tokenizer->Encode(text + more, Tokenizer::ControlTokens::kAsText).size());
    };
    for (const char* word : {" a", "a", "."}) {
      while (count(word) <= tokens && text.size() < 16 * static_cast<size_t>(tokens)) text += word;
    }
    return text;
  }

 private:
  // A new medium each time, so that nothing is known of it already. The first time is not counted:
  // it reads the encoder's weights.
  std::optional<Measurement> EncodeMedium(const std::string& what,
                                          const std::function<Part()>& make, int64_t image_size,
                                          const ProgressCallback& on_progress) {
    Measurement result;
    PeakMemoryWatch watch;
    for (int i = 0; i <= repetitions_; ++i) {
      if (!GoesOn(on_progress, what, i, repetitions_ + 1)) return std::nullopt;
      const Prompt prompt = LayOut(*model_, {{Role::kUser, {make()}}}, {.image_size = image_size},
                                   /*open_answer=*/true);
      MediaEncoder encoder(*model_);
      Timings ignored;
      const Clock::time_point begin = Clock::now();
      encoder.Encode(prompt, nullptr, ignored);
      if (i > 0) result.seconds.push_back(SecondsSince(begin));
    }
    result.memory = watch.Stop();
    return result;
  }

  std::unique_ptr<LoadedModel> model_;
  int repetitions_;
  Measurement loading_;
};

}  // namespace

std::unique_ptr<Benchmark> Benchmark::Load(const EngineOptions& options, int repetitions,
                                           const ProgressCallback& on_progress) {
  kernels::ForceIsaFromEnvironment();
  if (repetitions < 1) {
    throw Error(ErrorKind::kRequest,
                "repetitions: expected 1 or more, found " + std::to_string(repetitions));
  }
  Measurement loading;
  PeakMemoryWatch watch;
  std::unique_ptr<LoadedModel> model;
  for (int i = 0; i < repetitions; ++i) {
    if (!GoesOn(on_progress, "loading the model", i, repetitions)) return nullptr;
    model.reset();  // before the next is there
    const Clock::time_point begin = Clock::now();
    model = std::make_unique<LoadedModel>(options);
    loading.seconds.push_back(SecondsSince(begin));
  }
  loading.memory = watch.Stop();
  return std::make_unique<BenchmarkOfModel>(std::move(model), repetitions, std::move(loading));
}

}  // namespace gemma3n
