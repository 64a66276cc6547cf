// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/engine.h"

#include "engine/loaded_model.h"
#include "engine/session.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "model/npy_observer.h"
#include "tensor/npy.h"

namespace gemma3n {
namespace {

class EngineOfModel : public Engine {
 public:
  explicit EngineOfModel(const EngineOptions& options) : model_(options) {}

  const ModelFacts& facts() const override { return model_.facts; }

  std::unique_ptr<Session> NewSession(int64_t context) override {
    if (context == 0) context = model_.facts.max_context;
    if (context < 2 || context > model_.facts.max_context) {
      throw Error(ErrorKind::kRequest, "context: expected a number in [2, " +
                                           std::to_string(model_.facts.max_context) + "], found " +
                                           std::to_string(context));
    }
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

  void WriteLogits(std::span<const int32_t> ids, const std::filesystem::path& npy) override {
    std::vector<DecoderInput> inputs;
    for (int32_t id : ids) inputs.push_back({.id = id});
    const int64_t count = static_cast<int64_t>(ids.size());
    if (count == 0) throw Error(ErrorKind::kRequest, "expected token ids, found none");
    Decoder decoder(model_.weights, model_.pool);
    DecoderState state(model_.config.text, {.context_length = count});
    Tensor logits({count, decoder.vocab_size()});
    decoder.Prefill(state, inputs, LogitsWanted::kAll, logits.span());
    WriteNpy(npy, logits.shape(), logits.span());
  }

  void Dump(const std::vector<Turn>& turns, const GenerateOptions& options,
            const std::filesystem::path& directory) override {
    std::filesystem::create_directories(directory);
    const Prompt prompt = LayOut(model_, turns, options, true);
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
    media.Encode(prompt, nullptr, timings);
    const std::vector<int32_t> ids = prompt.ids();
    WriteNpy(directory / "ids.npy", Shape({static_cast<int64_t>(ids.size())}), ids);
    std::vector<DecoderInput> inputs;
    for (const Prompt::Item& item : prompt.items) {
      inputs.push_back(
          {.id = item.id, .soft_token = item.medium < 0 ? nullptr : media.SoftToken(prompt, item)});
    }
    NpyObserver observer;
    Decoder decoder(model_.weights, model_.pool, {.observer = &observer});
    DecoderState state(model_.config.text, {.context_length = static_cast<int64_t>(ids.size())});
    Tensor logits({static_cast<int64_t>(ids.size()), decoder.vocab_size()});
    decoder.Prefill(state, inputs, LogitsWanted::kAll, logits.span());
    observer.Write(directory);
  }

 private:
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
