// SPDX-License-Identifier: Apache-2.0
// A checkpoint to the GGUF file of its text model and that of its encoders, tensor by tensor:
// memory stays at a few pieces of one.
#include "convert/quantize_gguf.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/thread_pool.h"
#include "convert/block_rounding.h"
#include "convert/gguf_metadata.h"
#include "convert/gguf_plan.h"
#include "convert/gguf_writer.h"
#include "convert/output_file.h"
#include "gemma3n/error.h"
#include "ops/gather.h"

namespace gemma3n {
namespace {

constexpr int64_t kFloatsAtOnce = 4 << 20;
constexpr int64_t kFloatsAPiece = 1 << 16;  // of one thread

GgufRecipe ParseRecipe(const std::string& name) {
  if (name.empty() || name == "q4_0") return GgufRecipe::kQ40;
  if (name == "q8_0") return GgufRecipe::kQ80;
  if (name == "f16") return GgufRecipe::kF16;
  throw Error(ErrorKind::kUsage, "recipe: expected q4_0, q8_0 or f16 for GGUF, found " + name);
}

GgufFileType FileTypeOf(GgufRecipe recipe) {
  switch (recipe) {
    case GgufRecipe::kQ40:
      return GgufFileType::kQ40;
    case GgufRecipe::kQ80:
      return GgufFileType::kQ80;
    case GgufRecipe::kF16:
      break;
  }
  return GgufFileType::kF16;
}

std::vector<GgufWriter::Tensor> TensorsOf(const std::vector<GgufPlan>& plans) {
  std::vector<GgufWriter::Tensor> tensors;
  for (const GgufPlan& plan : plans) tensors.push_back(plan.tensor);
  return tensors;
}

uint64_t BytesOf(const std::vector<GgufPlan>& plans) {
  uint64_t bytes = 0;
  for (const GgufPlan& plan : plans) bytes += plan.tensor.bytes;
  return bytes;
}

// Writes the tensors of both files; counts what is done.
class Rounder {
 public:
  Rounder(uint64_t total_bytes, const QuantizeOptions& options, const ProgressCallback& on_progress)
      : total_(total_bytes), options_(options), on_progress_(on_progress) {}

  // False when the callback cancelled.
  bool Write(const std::vector<GgufPlan>& plans, GgufWriter& writer) {
    return std::all_of(plans.begin(), plans.end(),
                       [&](const GgufPlan& plan) { return Write(plan, writer); });
  }

 private:
  bool Write(const GgufPlan& plan, GgufWriter& writer) {
    const uint64_t done = done_;
    Outcome outcome = WriteAs(plan.tensor.dtype, plan, writer);
    if (outcome == Outcome::kTooLarge && plan.tensor.dtype == DType::kF16) {
      if (options_.on_note) {
        options_.on_note("tensor '" + plan.tensor.name +
                         "' has weights beyond F16's 65504 and is BF16 instead");
      }
      done_ = done;
      writer.BeginAnew(DType::kBF16);
      outcome = WriteAs(DType::kBF16, plan, writer);
    }
    if (outcome == Outcome::kNotFinite || outcome == Outcome::kTooLarge) {
      throw Error(ErrorKind::kModel,
                  options_.model.string() + ": tensor for '" + plan.tensor.name +
                      "': expected finite weights" +
                      (outcome == Outcome::kTooLarge ? " that its type holds" : "") +
                      ", found others");
    }
    return outcome == Outcome::kWritten;
  }

  enum class Outcome { kWritten, kCancelled, kTooLarge, kNotFinite };
  Outcome WriteAs(DType dtype, const GgufPlan& plan, GgufWriter& writer) {
    const auto row_bytes = static_cast<int64_t>(plan.tensor.bytes) / plan.rows;
    const int64_t at_once = std::max(int64_t{1}, kFloatsAtOnce / plan.columns);
    const int64_t unit = std::max(int64_t{1}, kFloatsAPiece / plan.columns);
    for (int64_t begin = 0; begin < plan.rows; begin += at_once) {
      const int64_t count = std::min(at_once, plan.rows - begin);
      bytes_.resize(static_cast<size_t>(count * row_bytes));
      std::atomic<Fit> worst = Fit::kFits;
      pool_.ParallelFor(static_cast<size_t>((count + unit - 1) / unit), [&](size_t piece) {
        const int64_t first = static_cast<int64_t>(piece) * unit;
        thread_local std::vector<float> row;
        row.resize(static_cast<size_t>(plan.columns));
        for (int64_t i = first; i < std::min(count, first + unit); ++i) {
          Widen(plan, begin + i, row);
          const Fit fit = RoundRow(dtype, row.data(), plan.columns, bytes_.data() + i * row_bytes);
          if (fit != Fit::kFits) worst = fit;
        }
      });
      if (worst != Fit::kFits) {
        return worst == Fit::kTooLarge ? Outcome::kTooLarge : Outcome::kNotFinite;
      }
      writer.Write(bytes_);
      if (!Report()) return Outcome::kCancelled;
    }
    return Outcome::kWritten;
  }

  bool Report() {
    done_ += bytes_.size();
    return !on_progress_ || on_progress_({"writing GGUF", static_cast<int64_t>(done_),
                                          static_cast<int64_t>(total_)});
  }

  static void Widen(const GgufPlan& plan, int64_t index, std::vector<float>& row) {
    for (const TensorView& part : plan.parts) {
      if (index < part.shape[0]) return ops::GatherRow(part, {.row = index, .begin = 0}, row);
      index -= part.shape[0];
    }
    if (plan.rest == GgufPlan::Rest::kFirstRow) {
      return ops::GatherRow(plan.parts[0], {.row = 0, .begin = 0}, row);
    }
    std::fill(row.begin(), row.end(), 0.0f);
  }

  uint64_t total_, done_ = 0;
  const QuantizeOptions& options_;
  const ProgressCallback& on_progress_;
  ThreadPool pool_;
  std::vector<std::byte> bytes_;
};

void Tell(const QuantizeOptions& options, const ModelConfig& config, const GgufPlans& plans,
          std::vector<std::string> notes) {
  std::string departures;
  for (const std::string& departure : DeparturesFromLlamaCpp(config.text)) {
    departures += (departures.empty() ? "" : ", ") + departure;
  }
  if (!departures.empty()) {
    notes.push_back(
        "llama.cpp has sizes of Gemma 3n built in and will not run this model, which has " +
        departures);
  }
  if (!plans.projector.empty() && options.mmproj.empty()) {
    notes.push_back("the encoders of pictures and sound are left out; --mmproj FILE writes them");
  }
  if (!options.on_note) return;
  for (const std::string& note : notes) options.on_note(note);
}

}  // namespace

bool QuantizeToGguf(const QuantizeOptions& options, const Checkpoint& checkpoint,
                    const ProgressCallback& on_progress) {
  const GgufRecipe recipe = ParseRecipe(options.recipe);
  const bool with_projector = !options.mmproj.empty();
  CheckOutputFile(options.out, options.force);
  if (with_projector) CheckOutputFile(options.mmproj, options.force);
  const ModelConfig config = ModelConfig::Load(checkpoint);
  const ModelParts parts = ModelParts::Of(checkpoint);
  if (with_projector && !parts.vision && !parts.audio) {
    throw Error(ErrorKind::kUsage, options.model.string() + ": has no encoders to write into " +
                                       options.mmproj.string());
  }
  const GgufPlans plans = PlanGguf(checkpoint, config, parts, recipe);
  std::vector<std::string> notes;
  GgufMetadata metadata = ModelMetadata(checkpoint, config, FileTypeOf(recipe), notes);
  Tell(options, config, plans, std::move(notes));
  const uint64_t bytes = BytesOf(plans.model) + (with_projector ? BytesOf(plans.projector) : 0);
  CheckFreeSpace(options.out, bytes);

  GgufWriter model(options.out, std::move(metadata), TensorsOf(plans.model));
  Rounder rounder(bytes, options, on_progress);
  if (!rounder.Write(plans.model, model)) return false;
  std::unique_ptr<GgufWriter> projector;
  if (with_projector) {
    projector = std::make_unique<GgufWriter>(
        options.mmproj, ProjectorMetadata(checkpoint, config, parts), TensorsOf(plans.projector));
    if (!rounder.Write(plans.projector, *projector)) return false;
    projector->Finish();
  }
  model.Finish();
  return true;
}

}  // namespace gemma3n
