// SPDX-License-Identifier: Apache-2.0
#include "convert/plan.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "convert/tensor_list.h"
#include "gemma3n/error.h"
#include "model/config.h"
#include "text/tokenizer.h"

namespace gemma3n {
namespace {

constexpr uint64_t kMostTextBytes = 256 << 20;
// What belongs to a model besides its tensors.
constexpr const char* kTexts[] = {
    "config.json",    "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "tokenizer.json", "tokenizer_config.json",  "chat_template.jinja",   "chat_template.json"};

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool IsOneOf(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return name.find(part) != std::string::npos; });
}

// Matrices that the decoder multiplies by, or reads rows of.
bool IsQuantizable(const std::string& name, const Shape& shape) {
  if (shape.rank() != 2 || shape[1] < packed::kBlock) return false;
  return IsOneOf(name, {"_proj.weight", "laurel.linear_", "embed_tokens.weight", "lm_head.weight",
                        "per_layer_input_gate.", "per_layer_projection.", "altup_projections.",
                        "altup_unembed_projections.", "per_layer_model_projection.",
                        "embedding_projection."}) &&
         !IsOneOf(name, {"_tower."});
}

// Of the encoders: linear layers, 1x1 convolutions, and the full convolutions of edge residuals.
// Fewer columns would take more room in padded blocks of 8 bits than they do in bfloat16.
bool IsQuantizableInEncoder(const std::string& name, const Shape& shape) {
  constexpr int64_t kFewestColumns = packed::kBlock / 2;
  if (name.find("_tower.") == std::string::npos) return false;
  const bool linear = shape.rank() == 2;
  const bool pointwise = shape.rank() == 4 && shape[2] == 1 && shape[3] == 1;
  const bool full = shape.rank() == 4 && EndsWith(name, "conv_exp.weight");
  return (linear || pointwise || full) && shape.NumElements() / shape[0] >= kFewestColumns;
}

// In how many steps a dense down_proj [hidden, intermediate] lies, so that a submodel of fewer
// neurons reads the first of them: about eight, of 128 to 1024 neurons.
int64_t StepsOf(const Shape& shape) {
  constexpr int64_t kMostNeurons = 1024;
  const int64_t hidden = shape[0], intermediate = shape[1];
  int64_t step = packed::kBlock;
  while (step < kMostNeurons && 16 * step <= intermediate) step *= 2;
  return hidden % packed::kTileRows == 0 && intermediate % step == 0 ? intermediate / step : 1;
}

class Planner {
 public:
  Planner(const Checkpoint& checkpoint, const Recipe& recipe, bool float_encoders)
      : checkpoint_(checkpoint),
        text_(ModelConfig::Load(checkpoint).text),
        recipe_(recipe),
        float_encoders_(float_encoders) {}

  std::vector<Plan> Plans() {
    std::vector<Plan> plans;
    for (const char* name : kTexts) {
      if (auto text = checkpoint_.Text(name, kMostTextBytes)) {
        plans.push_back({.piece = {name, true, DType::kF32, {}, text->size()}, .text = *text});
      }
    }
    if (const JsonValue tokenizer = checkpoint_.Json("tokenizer.json"); !tokenizer.IsNull()) {
      std::string compiled = Tokenizer::Parse(tokenizer)->Compiled();
      const PackedWriter::Piece piece{
          Tokenizer::kCompiledFile, true, DType::kF32, {}, compiled.size()};
      plans.push_back({.piece = piece, .text = std::move(compiled)});
    }
    for (const TensorEntry& entry :
         ListTensors(checkpoint_.config(), ModelParts::Of(checkpoint_))) {
      const TensorView view = checkpoint_.Find(entry.name);
      if (view.empty() || entry.need == TensorEntry::Need::kDead) continue;
      plans.push_back(PlanOf(entry.name, view));
    }
    CheckSparsePairs(plans);
    recipe_.CheckRules(quantizable_);
    return plans;
  }

 private:
  Bits BitsOf(const std::string& name, const TensorView& view) {
    if (!IsFloat(view.dtype) && !IsBlocks(view.dtype)) return Bits::kAsStored;
    const bool encoder = IsQuantizableInEncoder(name, view.shape);
    const bool table = EndsWith(name, "embed_tokens_per_layer.weight");
    if (!encoder && !table && !IsQuantizable(name, view.shape)) return Bits::kAsStored;
    if (table && text_.hidden_size_per_layer_input < packed::kBlock) return Bits::kAsStored;
    if (encoder && float_encoders_) return Bits::kAsStored;
    // Each layer's part of this one must be whole tiles.
    if (EndsWith(name, "per_layer_model_projection.weight") &&
        text_.hidden_size_per_layer_input % packed::kTileRows != 0) {
      return Bits::kAsStored;
    }
    quantizable_.push_back(name);
    const Bits bits = recipe_.BitsOf(name);
    return encoder && bits == Bits::kFour ? Bits::kEight : bits;
  }

  // In single rows: these two of a sparse layer, both or none.
  bool IsSparse(const std::string& name, const TensorView& view) const {
    const bool up = EndsWith(name, "mlp.up_proj.weight");
    const bool down = EndsWith(name, "mlp.down_proj.weight");
    return (up || down) && text_.activation_sparsity_pattern[LayerOf(name)] > 0 &&
           view.shape[down ? 0 : 1] >= packed::kBlock;
  }

  // The decoder reads a sparse layer's two matrices the same way.
  void CheckSparsePairs(const std::vector<Plan>& plans) const {
    std::map<int, std::string> as_stored, packed;
    for (const Plan& plan : plans) {
      if (plan.name.empty() || !IsSparse(plan.name, plan.source)) continue;
      (plan.is_packed() ? packed : as_stored)[LayerOf(plan.name)] = plan.name;
    }
    for (const auto& [layer, name] : as_stored) {
      if (!packed.contains(layer)) continue;
      throw Error(ErrorKind::kUsage, "recipe: " + name + ": expected q4 or q8 as " + packed[layer] +
                                         " of the same sparse layer, found bf16");
    }
  }

  Plan PlanOf(const std::string& name, const TensorView& view) {
    const Bits bits = BitsOf(name, view);
    Plan plan{
        .source = view, .piece = {name, false, view.dtype, view.shape, view.bytes()}, .name = name};
    if (bits == Bits::kAsStored) {
      if (IsBlocks(view.dtype)) {
        plan.piece.dtype = view.shape.rank() < 2 ? DType::kF32 : DType::kF16;
      }
      plan.piece.bytes = packed::StoredBytes(plan.piece.dtype, plan.piece.shape);
      return plan;
    }
    const DType tiles = bits == Bits::kFour ? DType::kQ4Tiles : DType::kQ8Tiles;
    const DType rows = bits == Bits::kFour ? DType::kQ4Rows : DType::kQ8Rows;
    plan.piece.dtype = tiles;
    if (view.shape.rank() == 4) {
      plan.taps = view.shape[2] * view.shape[3];
      plan.piece.shape = {view.shape[0], view.shape[1] * plan.taps};
      plan.source.shape = plan.piece.shape;
      if (plan.taps > 1) plan.piece.name = name.substr(0, name.size() - 6) + "channels_last";
    }
    if (EndsWith(name, "embed_tokens_per_layer.weight")) {
      const int64_t width = text_.hidden_size_per_layer_input;
      plan.piece.dtype = rows;
      plan.piece.shape = {view.shape.NumElements() / width, width};
      plan.source.shape = plan.piece.shape;
    } else if (IsSparse(name, view)) {
      plan.piece.dtype = rows;
      if (EndsWith(name, "mlp.down_proj.weight")) {
        plan.transposed = true;
        plan.piece.name = name.substr(0, name.size() - 6) + "transposed";
        plan.piece.shape = {view.shape[1], view.shape[0]};
      }
    } else if (EndsWith(name, "mlp.down_proj.weight") && StepsOf(view.shape) > 1) {
      plan.steps = StepsOf(view.shape);
      plan.piece.name = name.substr(0, name.size() - 6) + "steps";
      plan.piece.shape = {view.shape[0] * plan.steps, view.shape[1] / plan.steps};
    }
    plan.piece.bytes = packed::StoredBytes(plan.piece.dtype, plan.piece.shape);
    return plan;
  }

  const Checkpoint& checkpoint_;
  TextConfig text_;
  const Recipe& recipe_;
  bool float_encoders_;
  std::vector<std::string> quantizable_;  // names
};

}  // namespace

int LayerOf(const std::string& tensor) {
  const size_t at = tensor.find("layers.");
  return at == std::string::npos ? -1 : std::atoi(tensor.c_str() + at + 7);
}

std::vector<Plan> MakePlans(const Checkpoint& checkpoint, const Recipe& recipe,
                            bool float_encoders) {
  return Planner(checkpoint, recipe, float_encoders).Plans();
}

}  // namespace gemma3n
