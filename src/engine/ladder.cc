// SPDX-License-Identifier: Apache-2.0
#include "engine/ladder.h"

#include <algorithm>
#include <cstdio>

namespace gemma3n {
namespace {

// Widths of the layers from place `from` on become `share` of the full model's.
SubmodelShape Narrowed(const DecoderWeights& weights, SubmodelShape shape, size_t from,
                       double share) {
  for (size_t place = from; place < shape.layers.size(); ++place) {
    const int layer = shape.layers[place];
    const int64_t step = WidthStep(weights.layers[layer].feed_forward);
    const double wanted = share * static_cast<double>(weights.config.intermediate_size[layer]);
    const int64_t width = std::max(step, static_cast<int64_t>(wanted) / step * step);
    shape.intermediate_size[place] = std::min(shape.intermediate_size[place], width);
  }
  return shape;
}

// Leaves out the first layers from place `from` on, to the first full one, as E2B does, if as many
// remain.
SubmodelShape WithoutFirstPeriod(const TextConfig& config, SubmodelShape shape, size_t from) {
  size_t end = from;
  while (end < shape.layers.size() && config.is_sliding(shape.layers[end])) ++end;
  ++end;
  if (shape.layers.size() < end + (end - from)) return shape;
  const auto cut = [&](auto& list) {
    list.erase(list.begin() + static_cast<ptrdiff_t>(from),
               list.begin() + static_cast<ptrdiff_t>(end));
  };
  cut(shape.layers);
  cut(shape.intermediate_size);
  return shape;
}

std::string NameOf(const TextConfig& config, const SubmodelShape& shape) {
  const double parameters = static_cast<double>(EffectiveParameters(config, shape));
  const bool billions = parameters >= 1e9;
  char name[64];
  std::snprintf(name, sizeof(name), "%.2f %s parameters, %zu layers",
                parameters / (billions ? 1e9 : 1e6), billions ? "B" : "M", shape.layers.size());
  return name;
}

}  // namespace

std::vector<ModelSize> LadderBelow(const LoadedModel& model, const ModelSize& size) {
  const DecoderWeights& weights = model.weights;
  const SubmodelShape full = model.ShapeOf(size);
  const size_t seam = Submodel(weights, full).last_key_value_place + 1;
  const SubmodelShape fewer = WithoutFirstPeriod(weights.config, full, seam);
  const SubmodelShape shapes[] = {
      Narrowed(weights, full, seam, 0.75), Narrowed(weights, full, seam, 0.5),
      Narrowed(weights, fewer, seam, 0.5), Narrowed(weights, fewer, seam, 0.25),
      Narrowed(weights, fewer, 0, 0.5),    Narrowed(weights, fewer, 0, 0.25)};
  std::vector<ModelSize> ladder = {size};
  for (const SubmodelShape& shape : shapes) {
    const ModelSize rung{NameOf(weights.config, shape), shape.layers, shape.intermediate_size};
    if (!(rung == ladder.back())) ladder.push_back(rung);
  }
  return ladder;
}

std::vector<ModelSize> RungsFrom(const LoadedModel& model, const ModelSize& size,
                                 const std::vector<ModelSize>& ladder) {
  std::vector<ModelSize> rungs = {size};
  const auto cost = [&](const ModelSize& rung) {
    return WeightBytesPerStep(model.weights, model.ShapeOf(rung));
  };
  int64_t last = cost(size);
  for (const ModelSize& rung : ladder.empty() ? LadderBelow(model, size) : ladder) {
    if (cost(rung) >= last) continue;
    last = cost(rung);
    rungs.push_back(rung);
  }
  return rungs;
}

}  // namespace gemma3n
