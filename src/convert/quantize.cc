// SPDX-License-Identifier: Apache-2.0
// A model directory to one packed file, tensor by tensor.
#include <algorithm>
#include <cstring>
#include <optional>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "convert/output_file.h"
#include "convert/pack.h"
#include "convert/packed_writer.h"
#include "convert/plan.h"
#include "convert/quantize_gguf.h"
#include "convert/rounder.h"
#include "convert/sensitivity.h"
#include "gemma3n/convert.h"
#include "tensor/blocks.h"

namespace gemma3n {
namespace {

constexpr uint64_t kBytesAtOnce = 8 << 20;  // copied at a time

// Writes plans one after the other; counts what is done.
class Packer {
 public:
  // `inputs` may be null: then every row is rounded on its own.
  Packer(PackedWriter& writer, PlannedInputs* inputs, const ProgressCallback& on_progress)
      : writer_(writer), inputs_(inputs), on_progress_(on_progress), rounder_(pool_) {}

  // False when the callback cancelled.
  bool Write(const Plan& plan) {
    if (plan.piece.is_text) {
      return Put({reinterpret_cast<const std::byte*>(plan.text.data()), plan.text.size()});
    }
    if (!plan.is_packed()) {
      return IsBlocks(plan.source.dtype) ? WriteFloats(plan) : Copy(plan.source);
    }
    if (inputs_ != nullptr && !inputs_->Prepare(plan.name, on_progress_)) return false;
    return rounder_.Round(plan, inputs_,
                          [&](std::span<const std::byte> bytes) { return Put(bytes); });
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

  PackedWriter& writer_;
  PlannedInputs* inputs_;
  const ProgressCallback& on_progress_;
  uint64_t done_ = 0;
  ThreadPool pool_;
  Rounder rounder_;
  std::vector<float> floats_;  // of a row
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

std::string RecipeOf(const QuantizeOptions& options) {
  return options.recipe.empty() ? "q4" : options.recipe;
}

void CheckPackedOptions(const QuantizeOptions& options) {
  Recipe::Load(RecipeOf(options));  // throws what is wrong with it
  if (!options.mmproj.empty()) {
    throw Error(ErrorKind::kUsage, "mmproj: is for GGUF; a packed file holds the encoders, too");
  }
  if (options.rounding != "nearest" && options.rounding != "weighted" &&
      options.rounding != "feedback") {
    throw Error(ErrorKind::kUsage,
                "rounding: expected nearest, weighted or feedback, found " + options.rounding);
  }
}

// The recipe that the options ask for; nothing when the callback cancelled.
std::optional<Recipe> ChooseRecipe(const QuantizeOptions& options, const Checkpoint& checkpoint,
                                   const CalibrationText* text,
                                   const ProgressCallback& on_progress) {
  if (!(options.bits > 0)) return Recipe::Load(RecipeOf(options));
  std::optional<Recipe> chosen = ChooseBits(checkpoint, *text, options.bits, on_progress);
  if (chosen && !options.save_recipe.empty()) chosen->Save(options.save_recipe);
  return chosen;
}

}  // namespace

void CheckOptions(const QuantizeOptions& options, const Checkpoint& checkpoint, bool with_text) {
  CheckSource(options, checkpoint);
  if (options.to == "gguf") {
    if (!with_text) return;
    throw Error(ErrorKind::kUsage, "calibrate: is for packed files; GGUF is rounded without");
  }
  CheckPackedOptions(options);
  if (options.bits > 0 && !with_text) {
    throw Error(ErrorKind::kUsage, "bits: expected calibration text to choose by, found none");
  }
  CheckOutputFile(options.out, options.force);
}

bool Pack(const QuantizeOptions& options, const Checkpoint& checkpoint, const CalibrationText* text,
          const ProgressCallback& on_progress) {
  const std::optional<Recipe> recipe = ChooseRecipe(options, checkpoint, text, on_progress);
  if (!recipe) return false;
  const std::vector<Plan> plans = MakePlans(checkpoint, *recipe, options.encoders == "float");
  std::vector<PackedWriter::Piece> pieces;
  uint64_t bytes = 0;
  for (const Plan& plan : plans) {
    pieces.push_back(plan.piece);
    bytes += plan.piece.bytes;
  }
  CheckFreeSpace(options.out, bytes);
  std::optional<PlannedInputs> inputs;
  if (text != nullptr && options.rounding != "nearest") {
    inputs.emplace(*text, plans, options.rounding == "feedback");
  }
  PackedWriter writer(options.out, pieces);
  Packer packer(writer, inputs ? &*inputs : nullptr, on_progress);
  for (const Plan& plan : plans) {
    if (!packer.Write(plan)) return false;
  }
  writer.Finish();
  return true;
}

bool Quantize(const QuantizeOptions& options, const ProgressCallback& on_progress) {
  const auto checkpoint = Checkpoint::Load(options.model, {.projector = options.projector});
  CheckOptions(options, *checkpoint, /*with_text=*/false);
  if (options.to == "gguf") return QuantizeToGguf(options, *checkpoint, on_progress);
  return Pack(options, *checkpoint, nullptr, on_progress);
}

}  // namespace gemma3n
