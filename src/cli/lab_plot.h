// SPDX-License-Identifier: Apache-2.0
// Quality against cost as a picture: an SVG file that needs nothing else, and characters for the
// terminal.
#pragma once

#include <string>
#include <vector>

#include "cli/lab_cost.h"

namespace gemma3n::cli {

enum class Mark { kTried, kUniform, kPublished, kFull, kChosen };

struct PlotPoint {
  double cost = 0, loss = 0;
  Mark mark = Mark::kTried;
  std::string name;  // empty for those that were only tried
};

struct Plot {
  std::string title;      // of what and on what
  std::string loss_name;  // "negative log-likelihood of expected answers (nats per token)"
  CostKind kind = CostKind::kParameters;
  std::vector<PlotPoint> points;
};

std::string PlotAsSvg(const Plot& plot);
// Lines of at most `columns` characters.
std::string PlotAsText(const Plot& plot, int columns, int rows);

}  // namespace gemma3n::cli
