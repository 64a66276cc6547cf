// SPDX-License-Identifier: Apache-2.0
// What each layer's width is believed to change of loss and cost, as if layers did not depend on
// each other: a guide to which sizes are worth scoring.
#pragma once

#include <optional>
#include <vector>

#include "gemma3n/lab_search.h"

namespace gemma3n {

// Of each layer, the index of its width among its choices.
using Choices = std::vector<int>;

class LayerEffects {
 public:
  LayerEffects(const std::vector<std::vector<int64_t>>& choices,
               const std::function<double(const Widths&)>& cost);

  Choices Full() const;
  Widths WidthsOf(const Choices& choice) const;
  Choices ChoicesOf(const Widths& widths) const;  // CHECKs that they are some
  int layers() const { return static_cast<int>(choices_.size()); }
  int last(int layer) const { return static_cast<int>(choices_[layer].size()) - 1; }

  // The loss of the full size with this layer so, less that of the full size.
  void Set(int layer, int choice, double change);
  // Fills in choices that were not set, on straight lines over widths.
  void Interpolate();
  // Between two sizes, what was believed turned out to be `change`.
  void Learn(const Choices& from, const Choices& to, double change);

  double LossChange(const Choices& from, const Choices& to) const;
  double Cost(const Choices& choice) const;

  // Narrows where that loses least by what it saves, until the cost is at most `budget`. Nothing
  // where even the least does not fit. Layer `fixed` stays.
  std::optional<Choices> Shrink(Choices choice, double budget, int fixed = -1) const;
  // Widens where that gains most by what it costs, as long as the budget holds.
  Choices Grow(Choices choice, double budget, int fixed = -1) const;
  // The least loss that these effects promise within the budget.
  std::optional<Choices> Best(double budget) const;

 private:
  Choices BestAt(double price) const;

  const std::vector<std::vector<int64_t>> choices_;
  double full_cost_;
  std::vector<std::vector<double>> cost_;                 // less that of the full layer
  std::vector<std::vector<std::optional<double>>> loss_;  // likewise
};

}  // namespace gemma3n
