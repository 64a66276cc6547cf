// SPDX-License-Identifier: Apache-2.0
#include "engine/elastic.h"

#include <cmath>

#include "engine/ladder.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// What a token reads, and so about costs.
std::vector<double> CostsOf(const LoadedModel& model, const std::vector<ModelSize>& rungs) {
  std::vector<double> costs;
  for (const ModelSize& rung : rungs) {
    costs.push_back(static_cast<double>(WeightBytesPerStep(model.weights, model.ShapeOf(rung))));
  }
  return costs;
}

ElasticPolicy::Target Checked(const ElasticOptions& options) {
  for (double wish : {options.tokens_per_second, options.watts}) {
    if (wish >= 0 && std::isfinite(wish)) continue;
    throw Error(
        ErrorKind::kUsage,
        "elastic: expected a number of tokens/s or watts from 0 on, found " + std::to_string(wish));
  }
  return {options.tokens_per_second, options.watts};
}

}  // namespace

Elastic::Elastic(const LoadedModel& model, const GenerateOptions& options)
    : reacts_to_system_(options.elastic->reacts_to_system),
      watches_watts_(options.elastic->watts > 0),
      rungs_(UsableRungs(model, options.size ? *options.size : model.size, options.elastic->ladder,
                         options.keep_cache)),
      policy_(Checked(*options.elastic), CostsOf(model, rungs_)) {
  for (const ModelSize& rung : rungs_) shapes_.push_back(model.ShapeOf(rung));
}

std::optional<SizeSwitch> Elastic::Next(int64_t token, double seconds, Decoder& decoder) {
  SystemState system;
  if (reacts_to_system_ || watches_watts_) system = watch_.State();
  if (!reacts_to_system_) system.memory_short = system.hot = system.battery_low = false;
  const size_t before = static_cast<size_t>(policy_.rung());
  const double speed = token == 0 ? 1 / seconds : policy_.tokens_per_second();
  const size_t after = static_cast<size_t>(policy_.Next(seconds, system));
  if (after == before) return std::nullopt;
  decoder.SetShape(shapes_[after]);
  return SizeSwitch{token + 1, rungs_[before].name, rungs_[after].name, policy_.why(), speed};
}

}  // namespace gemma3n
