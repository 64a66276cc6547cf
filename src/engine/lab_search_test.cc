// SPDX-License-Identifier: Apache-2.0
// The search on made-up landscapes, whose best sizes are known.
#include "gemma3n/lab_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

namespace gemma3n {
namespace {

using testing::ElementsAre;

// Layers differ in what they are worth and neighbours depend on each other; layer 2 does harm when
// wide, and the last one may be left out at little loss.
struct MadeUp {
  std::vector<std::vector<int64_t>> choices;
  std::vector<double> worth;
  int64_t asked = 0;

  explicit MadeUp(int layers) {
    for (int layer = 0; layer < layers; ++layer) {
      choices.push_back({1, 2, 3, 4});
      worth.push_back(layer == 2 ? -0.2 : 1.0 + (layer * 7) % 5);
    }
    choices.back() = {0, 1, 2, 3, 4};
    worth.back() = 0.1;
  }

  static double Cost(const Widths& widths) {
    double cost = 10;
    for (int64_t width : widths) cost += width == 0 ? 0 : 2 + static_cast<double>(width);
    return cost;
  }

  double Loss(const Widths& widths) const {
    double loss = 1;
    for (size_t i = 0; i < widths.size(); ++i) {
      const double missing = 1 - static_cast<double>(widths[i]) / 4;
      loss += worth[i] * missing * missing;
      if (i > 0) loss += 0.5 * missing * (1 - static_cast<double>(widths[i - 1]) / 4);
    }
    return loss;
  }

  Landscape AsLandscape() {
    return {[](const Widths& widths) { return Cost(widths); },
            [this](std::span<const Widths> sizes) -> std::optional<std::vector<double>> {
              std::vector<double> losses;
              for (const Widths& widths : sizes) losses.push_back(Loss(widths));
              asked += static_cast<int64_t>(sizes.size());
              return losses;
            }};
  }

  // By trying all.
  double BestLoss(double budget) const {
    double best = std::numeric_limits<double>::infinity();
    Widths widths;
    const std::function<void()> descend = [&] {
      if (widths.size() == choices.size()) {
        if (Cost(widths) <= budget) best = std::min(best, Loss(widths));
        return;
      }
      for (int64_t width : choices[widths.size()]) {
        widths.push_back(width);
        descend();
        widths.pop_back();
      }
    };
    descend();
    return best;
  }
};

TEST(SearchSizes, FindsTheBestWithinEachBudget) {
  MadeUp made_up(7);
  SearchOptions options{.choices = made_up.choices, .budgets = {30, 38, 44}, .evaluations = 250};
  const SearchReport report = SearchSizes(options, made_up.AsLandscape());
  ASSERT_EQ(report.best.size(), 3u);
  EXPECT_TRUE(report.whole);
  EXPECT_LE(report.scored.size(), 250u);  // of 20,480
  for (size_t i = 0; i < report.best.size(); ++i) {
    ASSERT_TRUE(report.best[i]);
    const ScoredSize& best = report.scored[*report.best[i]];
    EXPECT_LE(best.cost, options.budgets[i]);
    EXPECT_EQ(best.cost, MadeUp::Cost(best.widths));
    EXPECT_DOUBLE_EQ(best.loss, made_up.BestLoss(options.budgets[i])) << options.budgets[i];
  }
}

TEST(SearchSizes, SaysWhereNothingFits) {
  MadeUp made_up(4);
  const SearchReport report =
      SearchSizes({.choices = made_up.choices, .budgets = {5, 1000}}, made_up.AsLandscape());
  EXPECT_FALSE(report.best[0]);
  ASSERT_TRUE(report.best[1]);
  EXPECT_DOUBLE_EQ(report.scored[*report.best[1]].loss, made_up.BestLoss(1000));
}

std::vector<Widths> Order(const SearchReport& report) {
  std::vector<Widths> order;
  for (const ScoredSize& size : report.scored) order.push_back(size.widths);
  return order;
}

TEST(SearchSizes, DoesTheSameForTheSameSeed) {
  MadeUp made_up(9);
  SearchOptions options{.choices = made_up.choices, .budgets = {40}, .seed = 5, .evaluations = 150};
  const auto once = Order(SearchSizes(options, made_up.AsLandscape()));
  EXPECT_EQ(Order(SearchSizes(options, made_up.AsLandscape())), once);
  options.seed = 6;
  EXPECT_NE(Order(SearchSizes(options, made_up.AsLandscape())), once);
}

TEST(SearchSizes, ScoresNothingTwiceAndStopsInTime) {
  MadeUp made_up(9);
  SearchOptions options{.choices = made_up.choices,
                        .budgets = {40, 45},
                        .starts = {Widths(9, 2), Widths(9, 3), Widths(9, 4)},
                        .evaluations = 120};
  const SearchReport report = SearchSizes(options, made_up.AsLandscape());
  std::vector<Widths> order = Order(report);
  EXPECT_EQ(static_cast<int64_t>(order.size()), made_up.asked);
  EXPECT_LE(order.size(), 120u);
  EXPECT_THAT(order[0], testing::Each(4));
  EXPECT_THAT(order[1], testing::Each(2));
  std::sort(order.begin(), order.end());
  EXPECT_EQ(std::adjacent_find(order.begin(), order.end()), order.end());
}

// As the program resumes: what was scored is known, the search itself runs again.
TEST(SearchSizes, TakesTheSameWayWhenScoresAreKnown) {
  MadeUp made_up(9);
  const SearchOptions options{.choices = made_up.choices, .budgets = {40}, .evaluations = 150};
  const Landscape landscape = made_up.AsLandscape();
  const auto whole = Order(SearchSizes(options, landscape));
  std::map<Widths, double> known;
  const auto remembering = [&](int64_t most) {
    return Landscape{
        landscape.cost,
        [&, most](std::span<const Widths> sizes) -> std::optional<std::vector<double>> {
          std::vector<double> losses;
          for (const Widths& widths : sizes) {
            if (!known.contains(widths)) {
              if (static_cast<int64_t>(known.size()) >= most) return std::nullopt;
              known[widths] = (*landscape.loss({&widths, 1}))[0];
            }
            losses.push_back(known[widths]);
          }
          return losses;
        }};
  };
  const SearchReport part = SearchSizes(options, remembering(70));
  EXPECT_FALSE(part.whole);
  ASSERT_LE(part.scored.size(), 70u);
  ASSERT_TRUE(part.best[0]);  // what was complete
  made_up.asked = 0;
  EXPECT_EQ(Order(SearchSizes(options, remembering(1000))), whole);
  EXPECT_EQ(made_up.asked, static_cast<int64_t>(whole.size()) - 70);
}

TEST(ParetoFront, HoldsWhatNothingBetters) {
  const std::vector<ScoredSize> sizes = {{{}, 5, 1}, {{}, 4, 2}, {{}, 4, 3}, {{}, 3, 3},
                                         {{}, 6, 4}, {{}, 1, 9}, {{}, 1, 9}};
  EXPECT_THAT(ParetoFront(sizes), ElementsAre(0, 1, 3, 5));
}

}  // namespace
}  // namespace gemma3n
