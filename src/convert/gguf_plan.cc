// SPDX-License-Identifier: Apache-2.0
#include "convert/gguf_plan.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/check.h"
#include "checkpoint/gguf_names.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int64_t kBlock = 32;        // weights of a block of Q4_0 and Q8_0
constexpr int64_t kSuperBlock = 256;  // of Q6_K

bool Contains(const std::string& name, const char* part) {
  return name.find(part) != std::string::npos;
}
bool ContainsOneOf(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return Contains(name, part); });
}

uint64_t BytesOf(DType dtype, int64_t elements) {
  switch (dtype) {
    case DType::kBlockQ80:
      return static_cast<uint64_t>(elements / kBlock * 34);
    case DType::kBlockQ40:
      return static_cast<uint64_t>(elements / kBlock * 18);
    case DType::kBlockQ6K:
      return static_cast<uint64_t>(elements / kSuperBlock * 210);
    default:
      return static_cast<uint64_t>(elements) * ElementSize(dtype);
  }
}

// llama.cpp's mixes: its tables are one step finer than the rest, and what belongs to AltUp, LAuReL
// and the per-layer model projection stays as it is.
DType TypeOfText(const std::string& name, const Shape& shape, GgufRecipe recipe) {
  if (shape.rank() < 2 ||
      ContainsOneOf(name, {"altup.modality_router", "altup.prediction", "altup.correction"})) {
    return DType::kF32;
  }
  const int64_t columns = shape.back();
  if (recipe == GgufRecipe::kF16 || columns % kBlock != 0 ||
      ContainsOneOf(name, {"altup_projections.", "altup_unembed_projections.", "laurel.",
                           "per_layer_model_projection."})) {
    return DType::kF16;
  }
  if (recipe == GgufRecipe::kQ80) return DType::kBlockQ80;
  if (ContainsOneOf(name, {"embed_tokens", "lm_head"})) {
    return columns % kSuperBlock == 0 ? DType::kBlockQ6K : DType::kBlockQ80;
  }
  return DType::kBlockQ40;
}

// As llama.cpp's converter has them: the stem, and the convolutions of the audio encoder, are F32.
DType TypeOfProjector(const std::string& name, const Shape& shape, bool spread) {
  if (shape.rank() < 2 || spread || Contains(name, "conv_stem.")) return DType::kF32;
  const bool convolution = ContainsOneOf(name, {".conv_0.conv.", ".conv_1.conv.", ".depthwise_"});
  return convolution && Contains(name, "audio_tower.") ? DType::kF32 : DType::kF16;
}

class Planner {
 public:
  Planner(const Checkpoint& checkpoint, const ModelConfig& config, const ModelParts& parts,
          GgufRecipe recipe)
      : checkpoint_(checkpoint), config_(config), prefix_(parts.text_prefix), recipe_(recipe) {}

  void Add(const TensorEntry& entry) {
    if (entry.name == "lm_head.weight" && config_.tie_word_embeddings) return;
    const bool there = checkpoint_.Has(entry.name);
    if (!there && entry.need == TensorEntry::Need::kOptional) return;
    const std::string usual = UsualName(entry.name);
    const std::optional<GgufName> name = ToGgufName(usual);
    if (!name) CheckFailed(__FILE__, __LINE__, "GGUF has no name for " + usual);
    // Keys and values that sharing layers do not have: readers want the tensors all the same.
    const bool missing = !there && entry.need == TensorEntry::Need::kDead;
    const TensorView view = missing ? TensorView{} : checkpoint_.Get(entry.name, entry.shape);
    if (name->part >= 0) {
      AddToStack(name->name, entry.shape, view);
    } else {
      AddAlone(usual, *name, entry.shape, view);
    }
  }

  GgufPlans Take() {
    for (std::vector<GgufPlan>* plans : {&plans_.model, &plans_.projector}) {
      for (GgufPlan& plan : *plans) {
        plan.columns = plan.tensor.shape.NumElements() / plan.rows;
        plan.tensor.bytes = BytesOf(plan.tensor.dtype, plan.tensor.shape.NumElements());
        for (TensorView& part : plan.parts) {
          part.shape = {part.shape.NumElements() / plan.columns, plan.columns};
        }
      }
    }
    return std::move(plans_);
  }

 private:
  // Files of the text model alone have shorter names.
  std::string UsualName(const std::string& name) const {
    if (name.compare(0, prefix_.size(), prefix_) != 0) return name;
    const std::string rest = name.substr(prefix_.size());
    const bool encoder =
        ContainsOneOf(name, {"vision_tower.", "audio_tower.", "embed_vision.", "embed_audio."});
    return encoder ? name : "model.language_model." + rest;
  }

  void AddAlone(const std::string& usual, const GgufName& name, Shape shape,
                const TensorView& view) {
    const bool model = name.file == GgufName::File::kModel;
    GgufPlan plan;
    if (!view.empty()) plan.parts.push_back(view);
    plan.tensor.dtype =
        model ? TypeOfText(usual, shape, recipe_) : TypeOfProjector(usual, shape, name.spread);
    plan.tensor.name = name.name;
    plan.rows = shape.rank() > 1 ? shape[0] : 1;
    if (Contains(usual, "embed_tokens_per_layer.") && shape[0] < config_.text.vocab_size) {
      // A row for every token. Ids beyond the table take row 0, as the reference looks them up.
      plan.rows = config_.text.vocab_size;
      plan.rest = GgufPlan::Rest::kFirstRow;
      shape = {plan.rows, shape[1]};
    }
    plan.tensor.shape = name.spread ? Shape{1, shape[0], 1, 1} : shape;
    (model ? plans_.model : plans_.projector).push_back(std::move(plan));
  }

  // Matrices come in the order in which they are stacked.
  void AddToStack(const std::string& name, const Shape& shape, const TensorView& view) {
    const auto [found, added] = stacks_.emplace(name, plans_.model.size());
    if (added) {
      plans_.model.push_back({.tensor = {.name = name, .dtype = DType::kF16}});
    }
    GgufPlan& plan = plans_.model[found->second];
    plan.parts.push_back(view);
    plan.rows += shape[0];
    plan.tensor.shape = {static_cast<int64_t>(plan.parts.size()), shape[0], shape[1]};
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  std::string prefix_;
  GgufRecipe recipe_;
  GgufPlans plans_;
  std::map<std::string, size_t> stacks_;  // where in plans_.model
};

}  // namespace

GgufPlans PlanGguf(const Checkpoint& checkpoint, const ModelConfig& config, const ModelParts& parts,
                   GgufRecipe recipe) {
  Planner planner(checkpoint, config, parts, recipe);
  for (const TensorEntry& entry : ListTensors(checkpoint.config(), parts)) planner.Add(entry);
  return planner.Take();
}

}  // namespace gemma3n
