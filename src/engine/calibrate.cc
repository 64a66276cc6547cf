// SPDX-License-Identifier: Apache-2.0
// Packing with calibration text: lays it out, looks and listens, and hands it to the room that
// packs.
#include <deque>

#include "convert/pack.h"
#include "engine/loaded_model.h"
#include "engine/passage.h"
#include "gemma3n/convert.h"
#include "kernels/isa.h"

namespace gemma3n {
namespace {

constexpr int64_t kWindow = 1024;  // positions of a piece of plain text

// The sequences of all passages; soft tokens are copied to `soft_tokens`. False when the callback
// cancelled.
bool ReadAll(LoadedModel& model, const Passages& passages, const ProgressCallback& on_progress,
             std::deque<std::vector<float>>& soft_tokens, CalibrationText& text) {
  const int64_t window = std::min(kWindow, model.facts.max_context);
  PassageReader reader(model, {.window = window, .stride = window - 1});
  const size_t hidden = static_cast<size_t>(model.config.text.hidden_size);
  for (int64_t i = 0; i < passages.count; ++i) {
    const Progress progress{"laying out calibration text", i, passages.count};
    const auto told = [&](const Progress&) { return !on_progress || on_progress(progress); };
    const auto take = [&](const Window& read, int64_t, int64_t) {
      text.sequences.push_back({read.inputs, read.first_target});
      for (DecoderInput& input : text.sequences.back().inputs) {
        if (input.soft_token == nullptr) continue;
        soft_tokens.emplace_back(input.soft_token, input.soft_token + hidden);
        input.soft_token = soft_tokens.back().data();
      }
      return true;
    };
    if (!told(progress) || !reader.Read(passages.at(i), told, take)) return false;
  }
  if (text.sequences.empty()) {
    throw Error(ErrorKind::kUsage, "calibration: expected text, found no token");
  }
  return true;
}

}  // namespace

bool Quantize(const QuantizeOptions& options, const Passages& passages,
              const ProgressCallback& on_progress) {
  kernels::ForceIsaFromEnvironment();
  CheckOptions(options, *Checkpoint::Load(options.model, {.projector = options.projector}),
               /*with_text=*/true);
  LoadedModel model({.model = options.model, .projector = options.projector});
  std::deque<std::vector<float>> soft_tokens;
  CalibrationText text{model.weights, model.pool, {}};
  if (!ReadAll(model, passages, on_progress, soft_tokens, text)) return false;
  return Pack(options, *model.checkpoint, &text, on_progress);
}

}  // namespace gemma3n
