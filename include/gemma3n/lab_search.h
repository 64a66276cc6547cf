// SPDX-License-Identifier: Apache-2.0
// A search for widths of a model's layers that lose least at a given cost. It knows nothing of
// models: what a choice costs and loses is asked.
//
// First given sizes are scored, then every layer's own effect: the full size with one layer
// narrower or left out. Taken as adding up, those effects give a size for each budget. From there a
// beam search moves single steps of width up, down and from layer to layer, corrects the effects by
// what it sees, and tries a few moves at random.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gemma3n {

// Neurons of each layer of the full model; 0: left out.
using Widths = std::vector<int64_t>;

struct SearchOptions {
  // Of each layer, ascending; the last is its full width, 0 in front where it may be left out.
  std::vector<std::vector<int64_t>> choices;
  std::vector<double> budgets;  // the most that each size looked for may cost
  std::vector<Widths> starts;   // scored first; of the choices
  uint64_t seed = 0;
  int64_t evaluations = 400;  // sizes scored in all, at most; starts are scored in any case
  int beam = 4;               // best sizes that moves are made from
  int batch = 16;             // sizes scored together
  int patience = 4;           // batches without a better size that end the search of a budget
};

// The costs of layers must add up. The same widths must give the same numbers.
struct Landscape {
  std::function<double(const Widths&)> cost;
  // Of each; the smaller the better. Nothing: cancelled.
  std::function<std::optional<std::vector<double>>(std::span<const Widths>)> loss;
};

struct ScoredSize {
  Widths widths;
  double loss = 0, cost = 0;
};

struct SearchStatus {
  std::string what;  // "each layer's effect", "budget 2 of 3"
  int64_t scored = 0, most = 0;
  const ScoredSize* best = nullptr;  // within the budget under way; null: none yet
};

struct SearchReport {
  std::vector<ScoredSize> scored;           // in the order of scoring; the full size is the first
  std::vector<std::optional<size_t>> best;  // by budget, of `scored`; nothing where none fits
  bool whole = true;                        // false: cancelled
};

SearchReport SearchSizes(const SearchOptions& options, const Landscape& landscape,
                         const std::function<void(const SearchStatus&)>& told = nullptr);

// Of sizes, those that no other one of at most their cost equals or betters: by rising cost.
std::vector<size_t> ParetoFront(std::span<const ScoredSize> sizes);

}  // namespace gemma3n
