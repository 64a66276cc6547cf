// SPDX-License-Identifier: Apache-2.0
// A model directory to one packed file, tensor by tensor: memory stays at a few pieces of one.
#include <algorithm>
#include <cstring>
#include <functional>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "convert/output_file.h"
#include "convert/packed_writer.h"
#include "convert/quantize_gguf.h"
#include "convert/rounding.h"
#include "convert/tensor_list.h"
#include "gemma3n/convert.h"
#include "model/config.h"
#include "ops/gather.h"
#include "tensor/blocks.h"
#include "text/tokenizer.h"

namespace gemma3n {
namespace {

constexpr int64_t kFloatsAtOnce = 4 << 20;  // widened at a time
constexpr uint64_t kBytesAtOnce = 8 << 20;  // copied at a time
constexpr uint64_t kMostTextBytes = 256 << 20;
// What belongs to a model besides its tensors.
constexpr const char* kTexts[] = {
    "config.json",    "generation_config.json", "processor_config.json", "preprocessor_config.json",
    "tokenizer.json", "tokenizer_config.json",  "chat_template.jinja",   "chat_template.json"};

enum class Bits { kAsStored, kFour, kEight };

// How one tensor comes into the file.
struct Plan {
  TensorView source;
  PackedWriter::Piece piece;
  bool transposed = false;
  int64_t taps = 1;  // of a convolution: their channels come to lie together
  std::string text;  // of a small file
};

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool IsOneOf(const std::string& name, std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return name.find(part) != std::string::npos; });
}

// Matrices that many values pass through but that are small: they keep 8 bits in the recipe "q4".
bool IsTouchy(const std::string& name) {
  return IsOneOf(name,
                 {"k_proj.", "v_proj.", "laurel.", "per_layer_input_gate.", "per_layer_projection.",
                  "per_layer_model_projection.", "altup_projections.", "altup_unembed_projections.",
                  "embedding_projection."});
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

class Planner {
 public:
  Planner(const Checkpoint& checkpoint, const QuantizeOptions& options)
      : checkpoint_(checkpoint),
        text_(ModelConfig::Load(checkpoint).text),
        recipe_(options.recipe),
        encoders_(options.encoders) {}

  std::vector<Plan> Plans() const {
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
    return plans;
  }

 private:
  Bits BitsOf(const std::string& name, const TensorView& view) const {
    const bool rounds = IsFloat(view.dtype) || IsBlocks(view.dtype);
    if (recipe_ == "bf16" || !rounds) return Bits::kAsStored;
    if (IsQuantizableInEncoder(name, view.shape)) {
      return encoders_ == "float" ? Bits::kAsStored : Bits::kEight;
    }
    const bool table = EndsWith(name, "embed_tokens_per_layer.weight");
    if (!table && !IsQuantizable(name, view.shape)) return Bits::kAsStored;
    if (table && text_.hidden_size_per_layer_input < packed::kBlock) return Bits::kAsStored;
    return recipe_ == "q8" || IsTouchy(name) ? Bits::kEight : Bits::kFour;
  }

  // The number of the layer in "...layers.12.mlp.up_proj.weight"; -1 where there is none.
  static int LayerOf(const std::string& name) {
    const size_t at = name.find("layers.");
    return at == std::string::npos ? -1 : std::atoi(name.c_str() + at + 7);
  }

  Plan PlanOf(const std::string& name, const TensorView& view) const {
    const Bits bits = BitsOf(name, view);
    Plan plan{.source = view, .piece = {name, false, view.dtype, view.shape, view.bytes()}};
    if (bits == Bits::kAsStored) {
      if (IsBlocks(view.dtype))
        plan.piece.dtype = view.shape.rank() < 2 ? DType::kF32 : DType::kF16;
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
    const bool up = EndsWith(name, "mlp.up_proj.weight");
    const bool down = EndsWith(name, "mlp.down_proj.weight");
    if (EndsWith(name, "embed_tokens_per_layer.weight")) {
      const int64_t width = text_.hidden_size_per_layer_input;
      plan.piece.dtype = rows;
      plan.piece.shape = {view.shape.NumElements() / width, width};
      plan.source.shape = plan.piece.shape;
    } else if ((up || down) && text_.activation_sparsity_pattern[LayerOf(name)] > 0 &&
               view.shape[down ? 0 : 1] >= packed::kBlock) {
      plan.piece.dtype = rows;
      if (down) {
        plan.transposed = true;
        plan.piece.name = name.substr(0, name.size() - 6) + "transposed";
        plan.piece.shape = {view.shape[1], view.shape[0]};
      }
    }
    plan.piece.bytes = packed::StoredBytes(plan.piece.dtype, plan.piece.shape);
    return plan;
  }

  const Checkpoint& checkpoint_;
  TextConfig text_;
  std::string recipe_, encoders_;
};

// Writes plans one after the other; counts what is done.
class Packer {
 public:
  Packer(PackedWriter& writer, const ProgressCallback& on_progress)
      : writer_(writer), on_progress_(on_progress) {}

  // False when the callback cancelled.
  bool Write(const Plan& plan) {
    if (plan.piece.is_text) {
      return Put({reinterpret_cast<const std::byte*>(plan.text.data()), plan.text.size()});
    }
    if (IsPacked(plan.piece.dtype)) return Round(plan);
    return IsBlocks(plan.source.dtype) ? WriteFloats(plan) : Copy(plan.source);
  }

 private:
  bool Put(std::span<const std::byte> bytes) {
    writer_.Write(bytes);
    done_ += bytes.size();
    return !on_progress_ || on_progress_({"packing weights", static_cast<int64_t>(done_),
                                          static_cast<int64_t>(writer_.total_bytes())});
  }

  bool Copy(const TensorView& view) {
    for (uint64_t begin = 0; begin < view.bytes(); begin += kBytesAtOnce) {
      if (!Put({view.data + begin, std::min<uint64_t>(kBytesAtOnce, view.bytes() - begin)})) {
        return false;
      }
    }
    return true;
  }

  // Blocks as floats of the type that is planned.
  bool WriteFloats(const Plan& plan) {
    const int64_t columns = plan.source.shape.back();
    const int64_t rows = plan.source.shape.NumElements() / columns;
    const size_t size = ElementSize(plan.piece.dtype);
    floats_.resize(static_cast<size_t>(columns));
    bytes_.resize(static_cast<size_t>(columns) * size);
    for (int64_t row = 0; row < rows; ++row) {
      blocks::DecodeRow(plan.source.dtype, plan.source.data, columns, row, 0, columns,
                        floats_.data());
      for (size_t i = 0; i < floats_.size(); ++i) {
        const F16 half = ToF16(floats_[i]);
        const void* element = size == sizeof(half) ? static_cast<const void*>(&half) : &floats_[i];
        std::memcpy(bytes_.data() + i * size, element, size);
      }
      if (!Put(bytes_)) return false;
    }
    return true;
  }

  bool Round(const Plan& plan) {
    const DType dtype = plan.piece.dtype;
    const int64_t rows = plan.piece.shape[0], columns = plan.piece.shape[1];
    const int64_t unit = packed::IsTiled(dtype) ? packed::kTileRows : 1;
    const int64_t unit_bytes = packed::UnitBytes(dtype, columns);
    const int64_t at_once = std::max(int64_t{1}, kFloatsAtOnce / columns / unit) * unit;
    for (int64_t begin = 0; begin < rows; begin += at_once) {
      const int64_t count = std::min(at_once, rows - begin);
      const int64_t units = (count + unit - 1) / unit;
      bytes_.resize(units * unit_bytes);
      floats_.resize(count * columns);
      Widen(plan, begin, count);
      pool_.ParallelFor(units, [&](size_t i) {
        const int64_t first = static_cast<int64_t>(i) * unit;
        RoundUnit(dtype, floats_.data() + first * columns, std::min(unit, count - first), columns,
                  bytes_.data() + static_cast<int64_t>(i) * unit_bytes);
      });
      if (!Put(bytes_)) return false;
    }
    return true;
  }

  // [channels, taps] -> [taps, channels].
  static void PutChannelsLast(int64_t taps, std::span<float> row) {
    const std::vector<float> stored(row.begin(), row.end());
    const int64_t channels = static_cast<int64_t>(row.size()) / taps;
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        row[tap * channels + channel] = stored[channel * taps + tap];
      }
    }
  }

  // Rows [begin, begin + count) of what is written, as floats.
  void Widen(const Plan& plan, int64_t begin, int64_t count) {
    const int64_t columns = plan.piece.shape[1];
    if (!plan.transposed) {
      pool_.ParallelFor(count, [&](size_t i) {
        const int64_t row = static_cast<int64_t>(i);
        const std::span<float> out(floats_.data() + row * columns, static_cast<size_t>(columns));
        ops::GatherRow(plan.source, {.row = begin + row, .begin = 0}, out);
        if (plan.taps > 1) PutChannelsLast(plan.taps, out);
      });
      return;
    }
    pool_.ParallelFor(columns, [&](size_t i) {
      const int64_t column = static_cast<int64_t>(i);
      thread_local std::vector<float> part;
      part.resize(count);
      ops::GatherRow(plan.source, {.row = column, .begin = begin}, part);
      for (int64_t row = 0; row < count; ++row) floats_[row * columns + column] = part[row];
    });
  }

  PackedWriter& writer_;
  const ProgressCallback& on_progress_;
  uint64_t done_ = 0;
  ThreadPool pool_;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

void CheckSource(const QuantizeOptions& options, const Checkpoint& checkpoint) {
  if (options.to != "packed" && options.to != "gguf") {
    throw Error(ErrorKind::kUsage, "to: expected packed or gguf, found " + options.to);
  }
  if (options.encoders != "int8" && options.encoders != "float") {
    throw Error(ErrorKind::kUsage, "encoders: expected int8 or float, found " + options.encoders);
  }
  if (checkpoint.packed() != nullptr) {
    throw Error(ErrorKind::kUsage, options.model.string() +
                                       ": is a packed model already; give the directory that it "
                                       "was made from");
  }
  if (options.to == "gguf" && checkpoint.gguf() != nullptr) {
    throw Error(ErrorKind::kUsage, options.model.string() +
                                       ": is a GGUF file already; give the directory that it was "
                                       "made from");
  }
}

void CheckPackedOptions(const QuantizeOptions& options) {
  const std::string& recipe = options.recipe;  // empty: q4
  if (!recipe.empty() && recipe != "q4" && recipe != "q8" && recipe != "bf16") {
    throw Error(ErrorKind::kUsage, "recipe: expected q4, q8 or bf16, found " + recipe);
  }
  if (!options.mmproj.empty()) {
    throw Error(ErrorKind::kUsage, "mmproj: is for GGUF; a packed file holds the encoders, too");
  }
}

}  // namespace

bool Quantize(const QuantizeOptions& options, const ProgressCallback& on_progress) {
  const auto checkpoint = Checkpoint::Load(options.model, {.projector = options.projector});
  CheckSource(options, *checkpoint);
  if (options.to == "gguf") return QuantizeToGguf(options, *checkpoint, on_progress);
  CheckPackedOptions(options);
  CheckOutputFile(options.out, options.force);
  const std::vector<Plan> plans = Planner(*checkpoint, options).Plans();
  std::vector<PackedWriter::Piece> pieces;
  uint64_t bytes = 0;
  for (const Plan& plan : plans) {
    pieces.push_back(plan.piece);
    bytes += plan.piece.bytes;
  }
  CheckFreeSpace(options.out, bytes);
  PackedWriter writer(options.out, pieces);
  Packer packer(writer, on_progress);
  for (const Plan& plan : plans) {
    if (!packer.Write(plan)) return false;
  }
  writer.Finish();
  return true;
}

}  // namespace gemma3n
