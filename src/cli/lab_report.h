// SPDX-License-Identifier: Apache-2.0
// What `gemma3n lab` found: as a table and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/lab_answers.h"
#include "cli/lab_cost.h"
#include "cli/lab_plot.h"
#include "cli/lab_scores.h"

namespace gemma3n::cli {

struct LabRow {
  std::string name;
  Mark mark = Mark::kUniform;
  Widths widths;
  double cost = 0;
  SizeFacts facts;
  int64_t memory_bytes = 0;
  Quality quality;
  std::optional<SizeSpeed> speed;
  std::optional<Answers> answers;
  std::optional<double> mmlu_percent;  // as published
};

// A row that is chosen also stands for the same size under another name. `divergence`: what is held
// out is told as divergence.
std::string TableOf(const std::vector<LabRow>& rows, bool divergence);
// "ffn=512@0-3 ffn=128@4 skip=5-7": the widths of a size as --size takes them.
std::string WidthsAsText(const Widths& widths);
// Of sizes that differ from the first, the full one, in one layer only: what that changes of the
// loss.
nlohmann::ordered_json LayersAsJson(const std::vector<ScoredSize>& scored);
nlohmann::ordered_json RowAsJson(const LabRow& row, const Lab& lab);

}  // namespace gemma3n::cli
