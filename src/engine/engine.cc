// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/engine.h"

#include <algorithm>

#include "engine/lab.h"
#include "engine/ladder.h"
#include "engine/loaded_model.h"
#include "engine/memory.h"
#include "engine/perplexity.h"
#include "engine/session.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "model/embedding.h"
#include "model/npy_observer.h"
#include "tensor/npy.h"

namespace gemma3n {
namespace {

constexpr size_t kPiece = 256;  // prompt positions between two reports of progress

class EngineOfModel : public Engine {
 public:
  explicit EngineOfModel(const EngineOptions& options) : model_(options) {}

  const ModelFacts& facts() const override { return model_.facts; }

  const ModelSize& size() const override { return model_.size; }
  ModelSize ParseSize(const std::string& text) const override { return model_.ParseSize(text); }
  SizeFacts FactsOf(const ModelSize& size) const override {
    const SubmodelShape shape = model_.ShapeOf(size);
    return {EffectiveParameters(model_.config.text, shape),
            WeightBytesPerStep(model_.weights, shape)};
  }

  std::vector<ModelSize> Ladder(const ModelSize& size) const override {
    return LadderBelow(model_, size);
  }

  std::unique_ptr<Session> NewSession(int64_t context) override {
    context = ContextOf(model_.config.text, context);
    CheckContextFits(model_.config.text, context, model_.kv_type, model_.PromisedBytes());
    return std::make_unique<SessionOfModel>(shared_from_this(), model_, context);
  }

  std::vector<int32_t> Tokenize(const std::string& text, bool parse_control_tokens,
                                bool add_bos) const override {
    std::vector<int32_t> ids =
        model_.tokenizer->Encode(text, parse_control_tokens ? Tokenizer::ControlTokens::kParse
                                                            : Tokenizer::ControlTokens::kAsText);
    if (add_bos) ids.insert(ids.begin(), model_.config.bos_token_id);
    return ids;
  }
  std::string Detokenize(std::span<const int32_t> ids, bool skip_control_tokens) const override {
    return model_.tokenizer->Decode(ids, skip_control_tokens);
  }
  std::string Piece(int32_t id) const override { return std::string(model_.tokenizer->Piece(id)); }

  std::vector<int32_t> PromptIds(const std::vector<Turn>& turns,
                                 const GenerateOptions& options) override {
    return LayOut(model_, turns, options, true).ids();
  }

  std::string PromptText(const std::vector<Turn>& turns, const GenerateOptions& options) override {
    std::vector<int32_t> ids;
    for (const Prompt::Item& item : LayOut(model_, turns, options, true).items) {
      if (item.medium < 0 || item.row == 0) ids.push_back(item.id);
    }
    return model_.tokenizer->Decode(ids, /*skip_control_tokens=*/false);
  }

  bool WriteLogits(std::span<const int32_t> ids, const std::filesystem::path& npy,
                   const ProgressCallback& on_progress) override {
    model_.checkpoint->CheckUnchanged();
    std::vector<DecoderInput> inputs;
    for (int32_t id : ids) inputs.push_back({.id = id});
    if (inputs.empty()) throw Error(ErrorKind::kRequest, "expected token ids, found none");
    CheckLength(inputs.size());
    CheckLogitsFit(inputs.size());
    CheckInputs(model_.weights.embedding, inputs);  // all, before the first piece is computed
    const std::filesystem::path directory = npy.parent_path();
    if (!directory.empty() && !std::filesystem::is_directory(directory)) {
      throw Error(ErrorKind::kUsage,
                  npy.string() + ": expected a directory to write to, found none");
    }
    const auto decoder = model_.NewDecoder();
    Tensor logits({static_cast<int64_t>(ids.size()), decoder->vocab_size()});
    if (!AllLogits(*decoder, inputs, logits, on_progress)) return false;
    model_.checkpoint->CheckUnchanged();  // else wrong numbers would be written
    WriteNpy(npy, logits.shape(), logits.span());
    return true;
  }

  bool Dump(const std::vector<Turn>& turns, const GenerateOptions& options,
            const std::filesystem::path& directory, const ProgressCallback& on_progress) override {
    const Prompt prompt = LayOut(model_, turns, options, true);
    CheckLength(prompt.items.size());
    CheckLogitsFit(prompt.items.size());
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) throw Error(ErrorKind::kUsage, directory.string() + ": " + error.message());
    MediaEncoder media(model_);
    int images = 0, clips = 0;
    // Files of the n-th picture or clip: "image_0.stage.1.npy", "audio_0.mel.npy".
    media.vision_observer = [&](const std::string& name, const Tensor& values) {
      if (name == "pixels") ++images;
      WriteNpy(directory / ("image_" + std::to_string(images - 1) + "." + name + ".npy"),
               values.shape(), values.span());
    };
    media.audio_observer = [&](const std::string& name, const Tensor& values) {
      if (name == "mel") ++clips;
      WriteNpy(directory / ("audio_" + std::to_string(clips - 1) + "." + name + ".npy"),
               values.shape(), values.span());
    };
    Timings timings;
    if (!media.Encode(prompt, on_progress, timings)) return false;
    const std::vector<int32_t> ids = prompt.ids();
    WriteNpy(directory / "ids.npy", Shape({static_cast<int64_t>(ids.size())}), ids);
    std::vector<DecoderInput> inputs;
    for (const Prompt::Item& item : prompt.items) {
      inputs.push_back(
          {.id = item.id, .soft_token = item.medium < 0 ? nullptr : media.SoftToken(prompt, item)});
    }
    NpyObserver observer;
    const auto decoder = model_.NewDecoder(&observer);
    Tensor logits({static_cast<int64_t>(ids.size()), decoder->vocab_size()});
    if (!AllLogits(*decoder, inputs, logits, on_progress)) return false;
    model_.checkpoint->CheckUnchanged();
    observer.Write(directory);
    return true;
  }

  std::optional<PerplexityReport> Perplexity(const Passages& passages,
                                             const PerplexityOptions& options,
                                             const ProgressCallback& on_progress) override {
    model_.checkpoint->CheckUnchanged();
    return gemma3n::Perplexity(model_, passages, options, on_progress);
  }

  std::unique_ptr<Lab> NewLab() override { return gemma3n::NewLab(shared_from_this(), model_); }

 private:
  void CheckLength(size_t count) const {
    if (static_cast<int64_t>(count) <= model_.facts.max_context) return;
    throw Error(ErrorKind::kRequest,
                "expected at most " + std::to_string(model_.facts.max_context) +
                    " tokens, the model's context, found " + std::to_string(count));
  }

  // All logits of a sequence are held at once.
  void CheckLogitsFit(size_t count) const {
    CheckFits("logits of " + std::to_string(count) + " tokens",
              static_cast<int64_t>(count) * model_.config.text.vocab_size *
                  static_cast<int64_t>(sizeof(float)));
  }

  // Piece by piece, which changes no bit, so that the work can be watched and cancelled.
  bool AllLogits(Decoder& decoder, std::span<const DecoderInput> inputs, Tensor& logits,
                 const ProgressCallback& on_progress) {
    const size_t total = inputs.size(), vocab = static_cast<size_t>(decoder.vocab_size());
    DecoderState state(model_.config.text,
                       {.context_length = static_cast<int64_t>(total), .kv_type = model_.kv_type});
    for (size_t from = 0; from < total; from += kPiece) {
      if (on_progress && !on_progress({"reading the prompt", static_cast<int64_t>(from),
                                       static_cast<int64_t>(total)})) {
        return false;
      }
      const size_t count = std::min(kPiece, total - from);
      decoder.Prefill(state, inputs.subspan(from, count), LogitsWanted::kAll,
                      logits.span().subspan(from * vocab, count * vocab));
    }
    return true;
  }

  LoadedModel model_;
};

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "?";
}

std::shared_ptr<Engine> Engine::Load(const EngineOptions& options) {
  kernels::ForceIsaFromEnvironment();
  return std::make_shared<EngineOfModel>(options);
}

}  // namespace gemma3n
