// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_cost.h"

#include <algorithm>
#include <cstdio>

#include "cli/options.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

struct Unit {
  const char* name;
  CostKind kind;
  double scale;
};
// The longest first where one ends with another.
constexpr Unit kUnits[] = {{"tok/s", CostKind::kSeconds, 1},  {"tokens/s", CostKind::kSeconds, 1},
                           {"gb", CostKind::kBytes, 1e9},     {"mb", CostKind::kBytes, 1e6},
                           {"kb", CostKind::kBytes, 1e3},     {"b", CostKind::kParameters, 1e9},
                           {"m", CostKind::kParameters, 1e6}, {"k", CostKind::kParameters, 1e3}};

std::string WithUnit(double value, const char* const (&units)[4]) {
  const int step = value >= 1e9 ? 3 : value >= 1e6 ? 2 : value >= 1e3 ? 1 : 0;
  const double scales[] = {1, 1e3, 1e6, 1e9};
  char text[48];
  const double shown = value / scales[step];
  std::snprintf(text, sizeof(text), "%.*f %s", step == 0 || shown >= 100 ? 0 : 2, shown,
                units[step]);
  return text;
}

}  // namespace

Budget ParseBudget(const std::string& written, int64_t full_parameters) {
  std::string text;
  for (char c : written) {
    if (c != ' ') text += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  const auto number_before = [&](const std::string& unit) -> std::optional<double> {
    if (!text.ends_with(unit)) return std::nullopt;
    const auto number = ParseNumber(text.substr(0, text.size() - unit.size()));
    if (!number || !(*number > 0) || *number > 1e15) return std::nullopt;
    return number;
  };
  for (const Unit& unit : kUnits) {
    const auto number = number_before(unit.name);
    if (!number) continue;
    const double most = unit.kind == CostKind::kSeconds ? 1 / *number : *number * unit.scale;
    return {unit.kind, most, written};
  }
  if (const auto percent = number_before("%")) {
    return {CostKind::kParameters, *percent / 100 * static_cast<double>(full_parameters), written};
  }
  throw Error(ErrorKind::kUsage,
              "--budget: expected effective parameters such as 2.5B, 800M or 60%, weights read "
              "for a token such as 1.2GB, or a speed such as 20tok/s, found '" +
                  written + "'");
}

std::string CostAsText(CostKind kind, double cost) {
  switch (kind) {
    case CostKind::kParameters:
      return WithUnit(cost, {"", "K", "M", "B"});
    case CostKind::kBytes:
      return WithUnit(cost, {"B", "KB", "MB", "GB"});
    case CostKind::kSeconds:
      break;
  }
  char text[48];
  std::snprintf(text, sizeof(text), "%.3g ms", cost * 1000);
  return text;
}

const char* CostName(CostKind kind) {
  switch (kind) {
    case CostKind::kParameters:
      return "effective parameters";
    case CostKind::kBytes:
      return "weights read for a token";
    case CostKind::kSeconds:
      return "time of a token (from a fit)";
  }
  return "?";
}

Widths WidthsOf(const ModelSize& size, size_t layers) {
  Widths widths(layers, 0);
  for (size_t i = 0; i < size.layers.size(); ++i) {
    widths[static_cast<size_t>(size.layers[i])] = size.intermediate_size[i];
  }
  return widths;
}

ModelSize SizeOf(const Widths& widths, const std::string& name) {
  ModelSize size{name, {}, {}};
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    if (widths[layer] == 0) continue;
    size.layers.push_back(static_cast<int>(layer));
    size.intermediate_size.push_back(widths[layer]);
  }
  return size;
}

bool CostModel::Time(Lab& lab, double seconds, const ProgressCallback& on_progress) {
  ModelSize narrow = lab.full(), short_one = {"fewer layers", {}, {}};
  narrow.name = "narrow";
  for (size_t i = 0; i < narrow.intermediate_size.size(); ++i) {
    const LayerCuts& cuts = lab.layers()[i];
    const int64_t quarter = std::max(cuts.step, cuts.width / 4 / cuts.step * cuts.step);
    narrow.intermediate_size[i] = std::min(cuts.width, quarter);
    if (cuts.may_be_left_out) continue;
    short_one.layers.push_back(static_cast<int>(i));
    short_one.intermediate_size.push_back(cuts.width);
  }
  // Least squares of time = a bytes + b layers.
  double bb = 0, bl = 0, ll = 0, bt = 0, lt = 0;
  for (const ModelSize& size : {lab.full(), narrow, short_one}) {
    if (size.layers.empty()) continue;
    const auto speed = lab.Time(size, {.seconds = seconds}, on_progress);
    if (!speed) return false;
    const double bytes = static_cast<double>(engine_.FactsOf(size).weight_bytes_per_token);
    const double layers = static_cast<double>(size.layers.size());
    const double time = 1 / speed->decode_tokens_per_second;
    bb += bytes * bytes;
    bl += bytes * layers;
    ll += layers * layers;
    bt += bytes * time;
    lt += layers * time;
  }
  const double determinant = bb * ll - bl * bl;
  seconds_per_byte_ = (bt * ll - lt * bl) / determinant;
  seconds_per_layer_ = (bb * lt - bl * bt) / determinant;
  if (!(seconds_per_layer_ >= 0)) {
    seconds_per_layer_ = 0;
    seconds_per_byte_ = bt / bb;
  } else if (!(seconds_per_byte_ >= 0)) {
    seconds_per_byte_ = 0;
    seconds_per_layer_ = lt / ll;
  }
  return true;
}

double CostModel::Of(const Widths& widths) const {
  const ModelSize size = SizeOf(widths, "");
  const SizeFacts facts = engine_.FactsOf(size);
  switch (kind_) {
    case CostKind::kParameters:
      return static_cast<double>(facts.effective_parameters);
    case CostKind::kBytes:
      return static_cast<double>(facts.weight_bytes_per_token);
    case CostKind::kSeconds:
      break;
  }
  return seconds_per_byte_ * static_cast<double>(facts.weight_bytes_per_token) +
         seconds_per_layer_ * static_cast<double>(size.layers.size());
}

}  // namespace gemma3n::cli
