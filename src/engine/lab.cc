// SPDX-License-Identifier: Apache-2.0
#include "engine/lab.h"

#include <algorithm>
#include <chrono>
#include <deque>

#include "engine/energy.h"
#include "engine/memory.h"
#include "engine/passage.h"
#include "engine/perplexity.h"
#include "model/decoder.h"
#include "model/many_sizes.h"
#include "model/matformer_presets.h"
#include "model/size_name.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A window that stays: soft tokens are its own.
struct KeptWindow {
  std::vector<DecoderInput> inputs;
  std::deque<std::vector<float>> soft_tokens;
  size_t first_target = 0;
  size_t passage = 0;
  size_t first_scored = 0;  // of all scored tokens, the number of its first

  int64_t wanted() const { return static_cast<int64_t>(inputs.size() - first_target); }
};

class LabOfModel : public Lab {
 public:
  LabOfModel(std::shared_ptr<Engine> engine, LoadedModel& model)
      : engine_(std::move(engine)), model_(model), full_(model.ParseSize("full")) {
    const TextConfig& config = model.config.text;
    for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
      bool is_source = false;
      for (int other = layer + 1; other < config.num_hidden_layers; ++other) {
        is_source = is_source || config.kv_source_layer(other) == layer;
      }
      layers_.push_back({.width = config.intermediate_size[layer],
                         .step = WidthStep(model.weights.layers[layer].feed_forward),
                         .may_be_left_out = !is_source && config.num_hidden_layers > 1});
    }
    for (const MatformerPreset& preset : MatformerPresets()) {
      try {
        published_.push_back({model.ParseSize(preset.name), preset.mmlu_percent});
      } catch (const Error&) {  // another shape
      }
    }
  }

  const ModelSize& full() const override { return full_; }
  const std::vector<LayerCuts>& layers() const override { return layers_; }
  const std::vector<PublishedSize>& published() const override { return published_; }
  std::string AsJson(const ModelSize& size) const override {
    return SizeAsJson({size.name, model_.ShapeOf(size)}, model_.config.text);
  }

  bool Read(const Passages& passages, const ReadOptions& options,
            const ProgressCallback& on_progress) override;
  int64_t tokens() const override { return tokens_; }
  bool has_divergence() const override { return !reference_.empty(); }
  std::optional<std::vector<std::vector<PassageScore>>> Score(
      std::span<const ModelSize> sizes, const ProgressCallback& on_progress) override;
  std::optional<SizeSpeed> Time(const ModelSize& size, const SpeedOptions& options,
                                const ProgressCallback& on_progress) override;

  int64_t MemoryFor(const ModelSize& size, int64_t context) const override {
    const TextConfig& config = model_.config.text;
    return WeightBytesPerStep(model_.weights, model_.ShapeOf(size)) +
           DecoderState::BytesFor(
               config, {.context_length = ContextOf(config, context), .kv_type = model_.kv_type}) +
           Activations::BytesFor(config, Decoder::Options{}.max_chunk);
  }

 private:
  void Keep(const Window& window, size_t passage);
  bool KeepReference(const ProgressCallback& on_progress);
  void ScoreRows(const KeptWindow& window, int64_t first_row, std::span<const float> logits,
                 PassageScore& score);
  size_t vocabulary() const { return static_cast<size_t>(model_.config.text.vocab_size); }

  std::shared_ptr<Engine> engine_;
  LoadedModel& model_;
  ModelSize full_;
  std::vector<LayerCuts> layers_;
  std::vector<PublishedSize> published_;

  std::deque<KeptWindow> windows_;
  size_t passages_ = 0;
  int64_t tokens_ = 0, longest_ = 0;
  std::vector<float> reference_;  // [tokens, vocabulary], the full model's logits; may be empty
  std::unique_ptr<ManySizes> many_;
};

void LabOfModel::Keep(const Window& window, size_t passage) {
  if (window.first_target >= window.inputs.size()) return;
  KeptWindow& kept = windows_.emplace_back();
  kept.inputs = window.inputs;
  for (DecoderInput& input : kept.inputs) {
    if (input.soft_token == nullptr) continue;
    const size_t hidden = static_cast<size_t>(model_.config.text.hidden_size);
    kept.soft_tokens.emplace_back(input.soft_token, input.soft_token + hidden);
    input.soft_token = kept.soft_tokens.back().data();
  }
  kept.first_target = window.first_target;
  kept.passage = passage;
  kept.first_scored = static_cast<size_t>(tokens_);
  tokens_ += kept.wanted();
  longest_ = std::max(longest_, static_cast<int64_t>(kept.inputs.size()) - 1);
}

bool LabOfModel::Read(const Passages& passages, const ReadOptions& options,
                      const ProgressCallback& on_progress) {
  windows_.clear();
  reference_.clear();
  many_ = nullptr;
  tokens_ = longest_ = 0;
  passages_ = static_cast<size_t>(passages.count);
  PassageReader reader(model_, options.windows);
  for (int64_t i = 0; i < passages.count; ++i) {
    const Progress progress{"reading what is scored", i, passages.count};
    const ProgressCallback told = [&](const Progress&) {
      return !on_progress || on_progress(progress);
    };
    if (!told(progress)) return false;
    const bool whole =
        reader.Read(passages.at(i), told, [&](const Window& window, int64_t, int64_t) {
          Keep(window, static_cast<size_t>(i));
          return true;
        });
    if (!whole) return false;
  }
  if (tokens_ == 0) throw Error(ErrorKind::kUsage, "expected text to score, found no token");
  const ManySizes::Options many{.max_rows = longest_, .kv_type = model_.kv_type};
  CheckFits("scoring sequences of " + std::to_string(longest_) + " tokens",
            ManySizes::BytesFor(model_.config.text, many));
  many_ = std::make_unique<ManySizes>(model_.weights, model_.pool, many);
  const int64_t bytes = tokens_ * static_cast<int64_t>(vocabulary() * sizeof(float));
  return bytes > options.most_reference_bytes || KeepReference(on_progress);
}

bool LabOfModel::KeepReference(const ProgressCallback& on_progress) {
  const size_t floats = static_cast<size_t>(tokens_) * vocabulary();
  CheckFits("the full model's logits of " + std::to_string(tokens_) + " tokens",
            static_cast<int64_t>(floats * sizeof(float)));
  std::vector<float> reference(floats);
  const SubmodelShape shape = model_.ShapeOf(full_);
  int64_t done = 0;
  for (const KeptWindow& window : windows_) {
    const auto take = [&](size_t, int64_t first_row, std::span<const float> logits) {
      const size_t row = window.first_scored + static_cast<size_t>(first_row);
      std::copy(logits.begin(), logits.end(), reference.begin() + row * vocabulary());
    };
    const auto goes_on = [&] {
      return !on_progress ||
             on_progress({"the full model", done, static_cast<int64_t>(windows_.size())});
    };
    const std::span<const DecoderInput> inputs(window.inputs);
    if (!many_->Run(inputs.first(inputs.size() - 1), window.wanted(), {&shape, 1}, take, goes_on)) {
      return false;
    }
    ++done;
  }
  reference_ = std::move(reference);
  return true;
}

void LabOfModel::ScoreRows(const KeptWindow& window, int64_t first_row,
                           std::span<const float> logits, PassageScore& score) {
  const size_t width = vocabulary(), rows = logits.size() / width;
  std::vector<PositionScore> scores(rows);
  model_.pool.ParallelFor(rows, [&](size_t i) {
    const size_t row = static_cast<size_t>(first_row) + i;
    const std::span<const float> reference =
        reference_.empty() ? std::span<const float>()
                           : std::span<const float>(reference_)
                                 .subspan((window.first_scored + row) * width, width);
    scores[i] = gemma3n::Score(logits.subspan(i * width, width), reference,
                               window.inputs[window.first_target + row].id);
  });
  for (const PositionScore& each : scores) {
    ++score.tokens;
    score.negative_log_likelihood += each.negative_log_likelihood;
    score.divergence += each.divergence;
  }
}

std::optional<std::vector<std::vector<PassageScore>>> LabOfModel::Score(
    std::span<const ModelSize> sizes, const ProgressCallback& on_progress) {
  CHECK(many_ != nullptr);
  std::vector<SubmodelShape> shapes;
  for (const ModelSize& size : sizes) shapes.push_back(model_.ShapeOf(size));
  std::vector<std::vector<PassageScore>> scores(sizes.size(), std::vector<PassageScore>(passages_));
  int64_t done = 0;
  for (const KeptWindow& window : windows_) {
    const auto take = [&](size_t size, int64_t first_row, std::span<const float> logits) {
      ScoreRows(window, first_row, logits, scores[size][window.passage]);
    };
    const auto goes_on = [&] {
      return !on_progress || on_progress({"scoring " + std::to_string(sizes.size()) + " sizes",
                                          done, static_cast<int64_t>(windows_.size())});
    };
    const std::span<const DecoderInput> inputs(window.inputs);
    if (!many_->Run(inputs.first(inputs.size() - 1), window.wanted(), shapes, take, goes_on)) {
      return std::nullopt;
    }
    ++done;
  }
  model_.checkpoint->CheckUnchanged();  // else the numbers would be wrong
  return scores;
}

std::optional<SizeSpeed> LabOfModel::Time(const ModelSize& size, const SpeedOptions& options,
                                          const ProgressCallback& on_progress) {
  const SubmodelShape shape = model_.ShapeOf(size);
  const int64_t context = std::min(model_.facts.max_context, options.prompt + options.steps);
  const int64_t prompt = std::max<int64_t>(1, context - options.steps), steps = context - prompt;
  CheckContextFits(model_.config.text, context, model_.kv_type);
  Decoder decoder(model_.weights, model_.pool, {.shape = &shape});
  DecoderState state(model_.config.text, {.context_length = context, .kv_type = model_.kv_type});
  std::vector<float> logits(vocabulary());
  std::vector<DecoderInput> inputs;
  const int64_t ids =
      std::min(model_.config.text.vocab_size, model_.config.text.vocab_size_per_layer_input);
  for (int64_t i = 0; i < context; ++i) {
    inputs.push_back({.id = static_cast<int32_t>(i * i * 37 % ids)});
  }
  double prefill_seconds = 0, decode_seconds = 0, joules = 0;
  int64_t prefilled = 0, decoded = 0, rounds = -1;  // the first touches pages that later ones find
  bool has_joules = true;
  EnergyMeter meter;
  while (rounds < 1 || std::min(prefill_seconds, decode_seconds) < options.seconds) {
    if (on_progress && !on_progress({"timing " + size.name, 0, 1})) {
      return std::nullopt;
    }
    state.Rewind(0);
    Clock::time_point begin = Clock::now();
    decoder.Prefill(state, std::span(inputs).first(prompt), LogitsWanted::kLast, logits);
    const double prefill = SecondsSince(begin);
    meter.Begin();
    begin = Clock::now();
    for (int64_t i = 0; i < steps; ++i) decoder.Step(state, inputs[prompt + i].id, logits);
    const double decode = SecondsSince(begin);
    const std::optional<double> energy = meter.Joules();
    has_joules = has_joules && energy.has_value();
    if (rounds++ < 0) continue;
    prefill_seconds += prefill;
    decode_seconds += decode;
    joules += energy.value_or(0);
    prefilled += prompt;
    decoded += steps;
  }
  SizeSpeed speed{static_cast<double>(prefilled) / prefill_seconds,
                  static_cast<double>(decoded) / decode_seconds, std::nullopt};
  if (has_joules) speed.joules_per_token = joules / static_cast<double>(decoded);
  return speed;
}

}  // namespace

std::unique_ptr<Lab> NewLab(std::shared_ptr<Engine> engine, LoadedModel& model) {
  return std::make_unique<LabOfModel>(std::move(engine), model);
}

}  // namespace gemma3n
