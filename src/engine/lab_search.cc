// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/lab_search.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "base/check.h"
#include "engine/layer_effects.h"

namespace gemma3n {
namespace {

class Search {
 public:
  Search(const SearchOptions& options, const Landscape& landscape,
         const std::function<void(const SearchStatus&)>& told)
      : options_(options),
        landscape_(landscape),
        told_(told),
        effects_(options.choices, landscape.cost),
        random_(options.seed) {}

  SearchReport Run() {
    report_.whole = ScoreStarts() && ScoreLayers();
    for (size_t i = 0; report_.whole && i < options_.budgets.size(); ++i) {
      what_ = options_.budgets.size() == 1 ? "searching"
                                           : "budget " + std::to_string(i + 1) + " of " +
                                                 std::to_string(options_.budgets.size());
      const int64_t left = options_.evaluations - Count();
      const int64_t share = left / static_cast<int64_t>(options_.budgets.size() - i);
      report_.whole = SearchBudget(options_.budgets[i], Count() + share);
    }
    for (double budget : options_.budgets) report_.best.push_back(BestWithin(budget));
    return std::move(report_);
  }

 private:
  int64_t Count() const { return static_cast<int64_t>(report_.scored.size()); }

  bool Within(double cost) const { return cost <= budget_ * (1 + 1e-12); }

  std::optional<size_t> BestWithin(double budget) const {
    std::optional<size_t> best;
    for (size_t i = 0; i < report_.scored.size(); ++i) {
      const ScoredSize& size = report_.scored[i];
      if (size.cost > budget * (1 + 1e-12)) continue;
      if (!best || size.loss < report_.scored[*best].loss) best = i;
    }
    return best;
  }

  // Scores what is new of `sizes`. False: cancelled.
  bool Score(const std::vector<Choices>& sizes) {
    std::vector<Choices> wanted;
    for (const Choices& size : sizes) {
      const bool again = std::find(wanted.begin(), wanted.end(), size) != wanted.end();
      if (!known_.contains(size) && !again) wanted.push_back(size);
    }
    const size_t together = static_cast<size_t>(std::max(1, options_.batch));
    for (size_t from = 0; from < wanted.size(); from += together) {
      std::vector<Widths> widths;
      for (size_t i = from; i < std::min(wanted.size(), from + together); ++i) {
        widths.push_back(effects_.WidthsOf(wanted[i]));
      }
      Tell();
      const auto losses = landscape_.loss(widths);
      if (!losses) return false;
      CHECK_EQ(losses->size(), widths.size());
      for (size_t i = 0; i < widths.size(); ++i) {
        known_[wanted[from + i]] = report_.scored.size();
        report_.scored.push_back({widths[i], (*losses)[i], landscape_.cost(widths[i])});
      }
    }
    Tell();
    return true;
  }

  void Tell() const {
    if (!told_) return;
    const std::optional<size_t> best = BestWithin(budget_);
    told_({what_, Count(), options_.evaluations, best ? &report_.scored[*best] : nullptr});
  }

  double LossOf(const Choices& size) const { return report_.scored[known_.at(size)].loss; }

  bool ScoreStarts() {
    what_ = "sizes to start from";
    if (!options_.budgets.empty()) budget_ = options_.budgets[0];
    std::vector<Choices> sizes = {effects_.Full()};
    for (const Widths& start : options_.starts) sizes.push_back(effects_.ChoicesOf(start));
    return Score(sizes);
  }

  // The widths at which a layer's own effect is measured, the most telling first.
  std::vector<int> Knots(int layer) const {
    const auto& all = options_.choices[layer];
    const int last = effects_.last(layer);
    std::vector<int> knots;
    const auto add = [&](int choice) {
      if (choice < 0 || choice >= last) return;
      if (std::find(knots.begin(), knots.end(), choice) == knots.end()) knots.push_back(choice);
    };
    add(static_cast<int>(std::lower_bound(all.begin(), all.end(), (all.back() + 1) / 2) -
                         all.begin()));
    add(0);
    add(last - 1);
    add(all[0] == 0 ? 1 : 0);
    return knots;
  }

  bool ScoreLayers() {
    what_ = "each layer's effect";
    // Half of all scoring at most.
    const int64_t most =
        std::max<int64_t>(1, (options_.evaluations - Count()) / 2 / std::max(1, effects_.layers()));
    std::vector<Choices> sizes;
    std::vector<std::pair<int, int>> changes;
    for (int layer = 0; layer < effects_.layers(); ++layer) {
      std::vector<int> knots = Knots(layer);
      if (static_cast<int64_t>(knots.size()) > most) knots.resize(static_cast<size_t>(most));
      for (int choice : knots) {
        sizes.push_back(effects_.Full());
        sizes.back()[layer] = choice;
        changes.emplace_back(layer, choice);
      }
    }
    if (!Score(sizes)) return false;
    const double full = LossOf(effects_.Full());
    for (size_t i = 0; i < sizes.size(); ++i) {
      effects_.Set(changes[i].first, changes[i].second, LossOf(sizes[i]) - full);
    }
    effects_.Interpolate();
    return true;
  }

  bool SearchBudget(double budget, int64_t most) {
    budget_ = budget;
    if (Count() >= most) return true;
    std::vector<Choices> first;
    if (const auto best = effects_.Best(budget)) first.push_back(*best);
    // Of the sizes to start from, those too large, narrowed.
    for (const Widths& start : options_.starts) {
      const Choices choice = effects_.ChoicesOf(start);
      if (static_cast<int64_t>(first.size()) >= options_.batch) break;
      if (Within(effects_.Cost(choice))) continue;
      if (const auto narrow = effects_.Shrink(choice, budget)) first.push_back(*narrow);
    }
    if (first.empty()) return true;  // nothing fits
    if (!Score(first)) return false;
    for (int stale = 0; stale < options_.patience && Count() < most;) {
      const std::optional<size_t> before = BestWithin(budget);
      const std::vector<Move> moves = Chosen(
          Candidates(), static_cast<size_t>(std::min<int64_t>(options_.batch, most - Count())));
      if (moves.empty()) break;
      std::vector<Choices> sizes;
      for (const Move& move : moves) sizes.push_back(move.to);
      if (!Score(sizes)) return false;
      for (const Move& move : moves) {
        effects_.Learn(move.from, move.to, LossOf(move.to) - LossOf(move.from));
      }
      const std::optional<size_t> after = BestWithin(budget);
      stale = before && after && report_.scored[*after].loss >= report_.scored[*before].loss
                  ? stale + 1
                  : 0;
    }
    return true;
  }

  struct Move {
    Choices from, to;
    double predicted;  // loss
  };

  // The best so far within the budget.
  std::vector<Choices> Beam() const {
    std::vector<std::pair<double, Choices>> sizes;
    for (const auto& [choice, index] : known_) {
      const ScoredSize& size = report_.scored[index];
      if (Within(size.cost)) sizes.emplace_back(size.loss, choice);
    }
    std::sort(sizes.begin(), sizes.end());
    std::vector<Choices> beam;
    for (size_t i = 0; i < sizes.size() && static_cast<int>(i) < options_.beam; ++i) {
      beam.push_back(sizes[i].second);
    }
    return beam;
  }

  void Add(const Choices& from, const Choices& to, std::map<Choices, Move>& moves) const {
    if (known_.contains(to) || !Within(effects_.Cost(to))) return;
    const double predicted = LossOf(from) + effects_.LossChange(from, to);
    const auto [at, is_new] = moves.try_emplace(to, Move{from, to, predicted});
    if (!is_new && predicted < at->second.predicted) at->second = {from, to, predicted};
  }

  void AddMoves(const Choices& from, std::map<Choices, Move>& moves) const {
    for (int a = 0; a < effects_.layers(); ++a) {
      for (int step : {-2, -1, 1, 2}) {
        Choices to = from;
        to[a] += step;
        if (to[a] < 0 || to[a] > effects_.last(a)) continue;
        Add(from, to, moves);
        for (int b = 0; b < effects_.layers(); ++b) {
          Choices exchanged = to;
          exchanged[b] += step < 0 ? 1 : -1;
          if (b == a || exchanged[b] < 0 || exchanged[b] > effects_.last(b)) continue;
          Add(from, exchanged, moves);
        }
      }
      // All or nothing of a layer, the others making up for it.
      for (int choice : {0, effects_.last(a)}) {
        Choices to = from;
        to[a] = choice;
        if (const auto fits = effects_.Shrink(to, budget_, a)) {
          Add(from, effects_.Grow(*fits, budget_, a), moves);
        }
      }
    }
  }

  // A few layers set at random, the others making up for it.
  void AddRandom(const Choices& from, std::map<Choices, Move>& moves) {
    Choices to = from;
    for (int i = 0; i < 3; ++i) {
      const int layer = Random(effects_.layers());
      to[layer] = Random(effects_.last(layer) + 1);
    }
    if (const auto fits = effects_.Shrink(to, budget_)) Add(from, *fits, moves);
  }

  // In [0, below); std::uniform_int_distribution differs between libraries.
  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  std::vector<Move> Candidates() {
    std::map<Choices, Move> moves;
    const std::vector<Choices> beam = Beam();
    for (const Choices& from : beam) AddMoves(from, moves);
    for (const Choices& from : beam) AddRandom(from, moves);
    std::vector<Move> all;
    for (auto& [to, move] : moves) all.push_back(std::move(move));
    std::stable_sort(all.begin(), all.end(),
                     [](const Move& a, const Move& b) { return a.predicted < b.predicted; });
    return all;
  }

  // The most promising, and a quarter at random.
  std::vector<Move> Chosen(std::vector<Move> all, size_t count) {
    if (all.size() <= count) return all;
    for (size_t i = count - count / 4; i < count; ++i) {
      std::swap(all[i], all[i + static_cast<size_t>(Random(static_cast<int>(all.size() - i)))]);
    }
    all.resize(count);
    return all;
  }

  const SearchOptions& options_;
  const Landscape& landscape_;
  const std::function<void(const SearchStatus&)>& told_;
  LayerEffects effects_;
  std::mt19937_64 random_;
  std::map<Choices, size_t> known_;  // of report_.scored
  SearchReport report_;
  std::string what_;
  double budget_ = 0;
};

}  // namespace

SearchReport SearchSizes(const SearchOptions& options, const Landscape& landscape,
                         const std::function<void(const SearchStatus&)>& told) {
  return Search(options, landscape, told).Run();
}

std::vector<size_t> ParetoFront(std::span<const ScoredSize> sizes) {
  std::vector<size_t> order(sizes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (sizes[a].cost != sizes[b].cost) return sizes[a].cost < sizes[b].cost;
    return sizes[a].loss < sizes[b].loss;
  });
  std::vector<size_t> front;
  for (size_t i : order) {
    if (front.empty() || sizes[i].loss < sizes[front.back()].loss) front.push_back(i);
  }
  return front;
}

}  // namespace gemma3n
