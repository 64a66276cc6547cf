// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

std::string Formatted(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

struct Column {
  const char* head;
  std::function<std::string(const LabRow&)> cell;  // "" where there is nothing to tell
};

std::string Right(const LabRow& row) {
  if (!row.answers || row.answers->items == 0) return "";
  return std::to_string(row.answers->right) + "/" + std::to_string(row.answers->items);
}

std::string Choices(const LabRow& row) {
  if (!row.answers || row.answers->choice_items == 0) return "";
  return std::to_string(row.answers->choices_right) + "/" +
         std::to_string(row.answers->choice_items);
}

std::vector<Column> Columns(bool divergence) {
  const auto number = [](const std::optional<double>& value, const char* format) {
    return value ? Formatted(format, *value) : std::string();
  };
  return {
      {"  size",
       [](const LabRow& row) {
         return (row.mark == Mark::kChosen ? "* " : "  ") + OneLine(row.name);
       }},
      {"parameters",
       [](const LabRow& row) {
         return CostAsText(CostKind::kParameters,
                           static_cast<double>(row.facts.effective_parameters));
       }},
      {"a token reads",
       [](const LabRow& row) {
         return CostAsText(CostKind::kBytes, static_cast<double>(row.facts.weight_bytes_per_token));
       }},
      {"memory",
       [](const LabRow& row) {
         return CostAsText(CostKind::kBytes, static_cast<double>(row.memory_bytes));
       }},
      {"loss", [](const LabRow& row) { return Formatted("%.5f", row.quality.loss); }},
      {"divergence", [=](const LabRow& row) { return number(row.quality.divergence, "%.3g"); }},
      {"held out",
       [=](const LabRow& row) {
         return divergence ? number(row.quality.held_out_divergence, "%.3g")
                           : number(row.quality.held_out_loss, "%.5f");
       }},
      {"right", Right},
      {"word errors",
       [](const LabRow& row) {
         if (!row.answers || row.answers->word_items == 0) return std::string();
         return Formatted("%.1f %%", 100 * row.answers->word_errors /
                                         static_cast<double>(row.answers->word_items));
       }},
      {"choices", Choices},
      {"tok/s",
       [](const LabRow& row) {
         return row.speed ? Formatted("%.1f", row.speed->decode_tokens_per_second) : "";
       }},
      {"prompt tok/s",
       [](const LabRow& row) {
         return row.speed ? Formatted("%.1f", row.speed->prefill_tokens_per_second) : "";
       }},
      {"J/token",
       [=](const LabRow& row) {
         return row.speed ? number(row.speed->joules_per_token, "%.3g") : "";
       }},
      {"MMLU", [=](const LabRow& row) { return number(row.mmlu_percent, "%.1f"); }},
  };
}

// "0-3,5" of layers that have this width.
std::string LayersWith(const Widths& widths, int64_t width) {
  std::string text;
  for (size_t begin = 0; begin < widths.size();) {
    size_t end = begin;
    while (end < widths.size() && widths[end] == width) ++end;
    if (end > begin) {
      text += (text.empty() ? "" : ",") + std::to_string(begin);
      if (end > begin + 1) text += "-" + std::to_string(end - 1);
    }
    begin = std::max(end, begin + 1);
  }
  return text;
}

}  // namespace

std::string TableOf(const std::vector<LabRow>& all_rows, bool divergence) {
  std::vector<LabRow> rows;
  for (const LabRow& row : all_rows) {
    const bool told = row.mark != Mark::kFull && row.mark != Mark::kChosen &&
                      std::any_of(all_rows.begin(), all_rows.end(), [&](const LabRow& other) {
                        return other.mark == Mark::kChosen && other.widths == row.widths;
                      });
    if (!told) rows.push_back(row);
  }
  std::vector<std::vector<std::string>> cells;  // [columns][head and rows]
  for (const Column& column : Columns(divergence)) {
    std::vector<std::string> all = {column.head};
    for (const LabRow& row : rows) all.push_back(column.cell(row));
    if (std::any_of(all.begin() + 1, all.end(), [](const auto& cell) { return !cell.empty(); })) {
      cells.push_back(std::move(all));
    }
  }
  std::string table;
  for (size_t line = 0; line <= rows.size(); ++line) {
    std::string text;
    for (size_t column = 0; column < cells.size(); ++column) {
      size_t width = 0;
      for (const std::string& cell : cells[column]) width = std::max(width, cell.size());
      const std::string& cell = cells[column][line];
      const std::string space(width - cell.size(), ' ');
      text += column == 0 ? cell + space : "  " + space + cell;
    }
    table += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return table;
}

std::string WidthsAsText(const Widths& widths) {
  Widths different = widths;
  std::sort(different.begin(), different.end(), std::greater<>());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  std::string text;
  for (int64_t width : different) {
    const std::string layers = LayersWith(widths, width);
    if (!text.empty()) text += " ";
    text += width == 0 ? "skip=" + layers : "ffn=" + std::to_string(width) + "@" + layers;
  }
  return text;
}

nlohmann::ordered_json LayersAsJson(const std::vector<ScoredSize>& scored) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const ScoredSize& size : scored) {
    const Widths& full = scored.front().widths;
    const auto [begin, at] = std::mismatch(full.begin(), full.end(), size.widths.begin());
    if (begin == full.end() || !std::equal(begin + 1, full.end(), at + 1)) continue;
    layers.push_back({{"layer", begin - full.begin()},
                      {"ffn_width", *at},
                      {"loss_change", size.loss - scored.front().loss}});
  }
  return layers;
}

nlohmann::ordered_json RowAsJson(const LabRow& row, const Lab& lab) {
  nlohmann::ordered_json json = {
      {"name", row.name},
      {"size", nlohmann::ordered_json::parse(lab.AsJson(SizeOf(row.widths, row.name)))},
      {"effective_parameters", row.facts.effective_parameters},
      {"weight_bytes_per_token", row.facts.weight_bytes_per_token},
      {"memory_bytes", row.memory_bytes},
      {"nll", row.quality.loss},
      {"perplexity", std::exp(row.quality.loss)}};
  const auto add = [&](const char* name, const std::optional<double>& value) {
    if (value) json[name] = *value;
  };
  add("kl", row.quality.divergence);
  add("held_out_nll", row.quality.held_out_loss);
  add("held_out_kl", row.quality.held_out_divergence);
  add("published_mmlu", row.mmlu_percent);
  if (row.answers && row.answers->items > 0) {
    json["answers"] = {{"items", row.answers->items}, {"right", row.answers->right}};
    if (row.answers->errors > 0) json["answers"]["errors"] = row.answers->errors;
    if (row.answers->word_items > 0) {
      json["answers"]["wer"] =
          row.answers->word_errors / static_cast<double>(row.answers->word_items);
    }
    if (row.answers->choice_items > 0) {
      json["answers"]["choice_items"] = row.answers->choice_items;
      json["answers"]["choices_right"] = row.answers->choices_right;
    }
  }
  if (row.speed) {
    json["decode_tokens_per_second"] = row.speed->decode_tokens_per_second;
    json["prefill_tokens_per_second"] = row.speed->prefill_tokens_per_second;
    add("joules_per_token", row.speed->joules_per_token);
  }
  return json;
}

}  // namespace gemma3n::cli
