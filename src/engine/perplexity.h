// SPDX-License-Identifier: Apache-2.0
// What gemma3n/perplexity.h promises.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/loaded_model.h"
#include "gemma3n/perplexity.h"

namespace gemma3n {

// Nothing when the callback cancelled; no file is left behind then. Throws Error (kUsage, kRequest,
// kMedia, kModel, kResources).
std::optional<PerplexityReport> Perplexity(LoadedModel& model, const Passages& passages,
                                           const PerplexityOptions& options,
                                           const ProgressCallback& on_progress);

// What one position's logits say. Sums are double.
struct PositionScore {
  double negative_log_likelihood = 0;  // of the target, nats
  double divergence = 0;               // from the reference's distribution, nats
  double reference_negative_log_likelihood = 0;
  bool same_likeliest = false;
};
// `reference` is empty or as long as `logits`.
PositionScore Score(std::span<const float> logits, std::span<const float> reference,
                    int32_t target);
PerplexityReport Summary(std::span<const PositionScore> scores, bool with_reference);

}  // namespace gemma3n
