// SPDX-License-Identifier: Apache-2.0
// What a size costs, in the unit that the budget is given in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gemma3n/engine.h"
#include "gemma3n/lab.h"
#include "gemma3n/lab_search.h"

namespace gemma3n::cli {

enum class CostKind {
  kParameters,  // effective ones, as Google's names of sizes count them
  kBytes,       // of weights that a token of an answer reads
  kSeconds,     // a token of an answer takes
};

struct Budget {
  CostKind kind = CostKind::kParameters;
  double most = 0;   // in the kind's unit
  std::string text;  // as it was written
};
// "2.5B", "800M", "1.2GB", "350MB", "20tok/s"; "60%" of `full_parameters`. Throws Error (kUsage).
Budget ParseBudget(const std::string& text, int64_t full_parameters);

// "1.91 B", "1.36 GB", "48.0 ms"
std::string CostAsText(CostKind kind, double cost);
// "effective parameters"
const char* CostName(CostKind kind);

// The widths of a size's layers, 0 where it has none, and back.
Widths WidthsOf(const ModelSize& size, size_t layers);
ModelSize SizeOf(const Widths& widths, const std::string& name);

class CostModel {
 public:
  CostModel(CostKind kind, const Engine& engine) : kind_(kind), engine_(engine) {}

  // Of kSeconds: fits the time of a step to bytes and layers, from sizes timed here. False:
  // cancelled.
  bool Time(Lab& lab, double seconds, const ProgressCallback& on_progress);

  CostKind kind() const { return kind_; }
  double Of(const Widths& widths) const;

 private:
  CostKind kind_;
  const Engine& engine_;
  double seconds_per_byte_ = 0, seconds_per_layer_ = 0;
};

}  // namespace gemma3n::cli
