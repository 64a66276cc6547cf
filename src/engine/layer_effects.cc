// SPDX-License-Identifier: Apache-2.0
#include "engine/layer_effects.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace gemma3n {
namespace {

// Costs are sums: two ways to add them up may differ in the last digits.
bool Within(double cost, double budget) {
  return cost <= budget * (1 + 1e-12);
}

}  // namespace

LayerEffects::LayerEffects(const std::vector<std::vector<int64_t>>& choices,
                           const std::function<double(const Widths&)>& cost)
    : choices_(choices) {
  const Widths full = WidthsOf(Full());
  full_cost_ = cost(full);
  for (int layer = 0; layer < layers(); ++layer) {
    CHECK(!choices_[layer].empty());
    CHECK(std::is_sorted(choices_[layer].begin(), choices_[layer].end()));
    cost_.emplace_back();
    for (int64_t width : choices_[layer]) {
      Widths changed = full;
      changed[layer] = width;
      cost_.back().push_back(cost(changed) - full_cost_);
    }
    loss_.emplace_back(choices_[layer].size());
    loss_.back().back() = 0;
  }
}

Choices LayerEffects::Full() const {
  Choices full;
  for (int layer = 0; layer < layers(); ++layer) full.push_back(last(layer));
  return full;
}

Widths LayerEffects::WidthsOf(const Choices& choice) const {
  Widths widths;
  for (int layer = 0; layer < layers(); ++layer) {
    widths.push_back(choices_[layer][choice[layer]]);
  }
  return widths;
}

Choices LayerEffects::ChoicesOf(const Widths& widths) const {
  CHECK_EQ(widths.size(), choices_.size());
  Choices choice;
  for (int layer = 0; layer < layers(); ++layer) {
    const auto& all = choices_[layer];
    const auto found = std::lower_bound(all.begin(), all.end(), widths[layer]);
    CHECK(found != all.end() && *found == widths[layer]);
    choice.push_back(static_cast<int>(found - all.begin()));
  }
  return choice;
}

void LayerEffects::Set(int layer, int choice, double change) {
  loss_[layer][choice] = change;
}

void LayerEffects::Interpolate() {
  for (int layer = 0; layer < layers(); ++layer) {
    auto& loss = loss_[layer];
    const auto& widths = choices_[layer];
    for (int c = last(layer); c >= 0; --c) {
      if (loss[c]) continue;
      int below = c - 1;
      while (below >= 0 && !loss[below]) --below;
      // Below the least that is known, as it is there.
      if (below < 0) {
        loss[c] = *loss[c + 1];
        continue;
      }
      const double share = static_cast<double>(widths[c + 1] - widths[c]) /
                           static_cast<double>(widths[c + 1] - widths[below]);
      loss[c] = *loss[c + 1] + share * (*loss[below] - *loss[c + 1]);
    }
  }
}

void LayerEffects::Learn(const Choices& from, const Choices& to, double change) {
  constexpr double kRate = 0.5;
  int changed = 0;
  for (int layer = 0; layer < layers(); ++layer) changed += from[layer] != to[layer];
  if (changed == 0) return;
  const double wrong = kRate * (change - LossChange(from, to)) / (2 * changed);
  for (int layer = 0; layer < layers(); ++layer) {
    if (from[layer] == to[layer]) continue;
    *loss_[layer][to[layer]] += wrong;
    *loss_[layer][from[layer]] -= wrong;
  }
}

double LayerEffects::LossChange(const Choices& from, const Choices& to) const {
  double change = 0;
  for (int layer = 0; layer < layers(); ++layer) {
    change += *loss_[layer][to[layer]] - *loss_[layer][from[layer]];
  }
  return change;
}

double LayerEffects::Cost(const Choices& choice) const {
  double cost = full_cost_;
  for (int layer = 0; layer < layers(); ++layer) cost += cost_[layer][choice[layer]];
  return cost;
}

std::optional<Choices> LayerEffects::Shrink(Choices choice, double budget, int fixed) const {
  double cost = Cost(choice);
  while (!Within(cost, budget)) {
    int best_layer = -1, best_choice = 0;
    double best_rate = 0;
    for (int layer = 0; layer < layers(); ++layer) {
      if (layer == fixed) continue;
      for (int c = choice[layer] - 1; c >= 0; --c) {
        const double saved = cost_[layer][choice[layer]] - cost_[layer][c];
        if (saved <= 0) continue;
        const double rate = (*loss_[layer][c] - *loss_[layer][choice[layer]]) / saved;
        if (best_layer >= 0 && rate >= best_rate) continue;
        best_layer = layer;
        best_choice = c;
        best_rate = rate;
      }
    }
    if (best_layer < 0) return std::nullopt;
    choice[best_layer] = best_choice;
    cost = Cost(choice);
  }
  return choice;
}

Choices LayerEffects::Grow(Choices choice, double budget, int fixed) const {
  while (true) {
    int best_layer = -1, best_choice = 0;
    double best_rate = 0;
    const double cost = Cost(choice);
    for (int layer = 0; layer < layers(); ++layer) {
      if (layer == fixed) continue;
      for (int c = choice[layer] + 1; c <= last(layer); ++c) {
        const double more = cost_[layer][c] - cost_[layer][choice[layer]];
        const double gain = *loss_[layer][choice[layer]] - *loss_[layer][c];
        if (gain <= 0 || !Within(cost + more, budget)) continue;
        const double rate = gain / std::max(more, 1e-300);
        if (rate <= best_rate) continue;
        best_layer = layer;
        best_choice = c;
        best_rate = rate;
      }
    }
    if (best_layer < 0) return choice;
    choice[best_layer] = best_choice;
  }
}

// The least sum of loss and `price` times cost.
Choices LayerEffects::BestAt(double price) const {
  Choices choice = Full();
  for (int layer = 0; layer < layers(); ++layer) {
    double least = 0;  // of the full layer
    for (int c = last(layer) - 1; c >= 0; --c) {
      const double sum = *loss_[layer][c] + price * cost_[layer][c];
      if (sum >= least) continue;
      least = sum;
      choice[layer] = c;
    }
  }
  return choice;
}

std::optional<Choices> LayerEffects::Best(double budget) const {
  double scale = 0;  // of loss by cost
  for (int layer = 0; layer < layers(); ++layer) {
    for (const auto& loss : loss_[layer]) scale = std::max(scale, std::abs(*loss));
  }
  double low = 0, high = std::max(scale, 1e-12) / full_cost_;
  constexpr int kDoublings = 200, kHalvings = 60;
  for (int i = 0; i < kDoublings && !Within(Cost(BestAt(high)), budget); ++i) high *= 2;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (Within(Cost(BestAt(middle)), budget) ? high : low) = middle;
  }
  const std::optional<Choices> fits = Shrink(BestAt(high), budget);
  if (!fits) return std::nullopt;
  return Grow(*fits, budget);
}

}  // namespace gemma3n
