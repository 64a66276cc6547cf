// SPDX-License-Identifier: Apache-2.0
// `gemma3n inspect`: what a model is.
#include "gemma3n/inspect.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

std::string Millions(int64_t count) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f M", static_cast<double>(count) / 1e6);
  return text;
}

void PrintList(const char* what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  if (names.empty()) return;
  std::printf("%zu tensors %s:\n", names.size(), what);
  for (size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    std::printf("  %s\n", names[i].c_str());
  }
  if (names.size() > kShown) std::printf("  and %zu more\n", names.size() - kShown);
}

void PrintReport(const ModelReport& report) {
  std::printf("%s: %zu layers, hidden %lld, vocabulary %lld, context %lld, %s\n",
              report.kind.c_str(), report.layers.size(), static_cast<long long>(report.hidden_size),
              static_cast<long long>(report.vocab_size), static_cast<long long>(report.max_context),
              report.dtypes.c_str());
  std::printf("attention: %lld heads, %lld for keys and values, of %lld; window %lld\n",
              static_cast<long long>(report.num_attention_heads),
              static_cast<long long>(report.num_key_value_heads),
              static_cast<long long>(report.head_dim),
              static_cast<long long>(report.sliding_window));
  std::printf("reads: text%s%s\n", report.sees ? ", pictures" : "", report.hears ? ", sound" : "");
  std::printf(
      "parameters: core %s, token embedding %s, per-layer embedding %s, vision %s, audio %s, "
      "embedders %s, unused %s, total %s\n",
      Millions(report.core).c_str(), Millions(report.token_embedding).c_str(),
      Millions(report.per_layer_embedding).c_str(), Millions(report.vision).c_str(),
      Millions(report.audio).c_str(), Millions(report.embedders).c_str(),
      Millions(report.dead).c_str(), Millions(report.total).c_str());
  std::printf(
      "memory: %.1f MB of weights for text, %.1f MB of cache for 1024 tokens, %.1f MB on "
      "disk\n",
      static_cast<double>(report.resident_bytes) / 1e6,
      static_cast<double>(report.cache_bytes_per_1k) / 1e6,
      static_cast<double>(report.file_bytes) / 1e6);
  std::printf("layer  attention  width  sparsity  keys and values\n");
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const std::string source = layer.kv_source == static_cast<int>(i)
                                   ? "own"
                                   : "of layer " + std::to_string(layer.kv_source);
    std::printf("%5zu  %-9s  %5lld  %8.2f  %s\n", i, layer.sliding ? "sliding" : "full",
                static_cast<long long>(layer.intermediate_size), layer.sparsity, source.c_str());
  }
}

void PrintJson(const ModelReport& report) {
  nlohmann::ordered_json json = {{"kind", report.kind},
                                 {"dtypes", report.dtypes},
                                 {"hidden_size", report.hidden_size},
                                 {"vocab_size", report.vocab_size},
                                 {"max_context", report.max_context},
                                 {"sees", report.sees},
                                 {"hears", report.hears},
                                 {"parameters",
                                  {{"core", report.core},
                                   {"token_embedding", report.token_embedding},
                                   {"per_layer_embedding", report.per_layer_embedding},
                                   {"vision", report.vision},
                                   {"audio", report.audio},
                                   {"embedders", report.embedders},
                                   {"unused", report.dead},
                                   {"total", report.total}}},
                                 {"missing", report.missing},
                                 {"surplus", report.surplus},
                                 {"misshapen", report.misshapen},
                                 {"not_finite", report.not_finite}};
  for (const LayerReport& layer : report.layers) {
    json["layers"].push_back({{"attention", layer.sliding ? "sliding" : "full"},
                              {"intermediate_size", layer.intermediate_size},
                              {"sparsity", layer.sparsity},
                              {"kv_source", layer.kv_source}});
  }
  std::printf("%s\n", json.dump(2).c_str());
}

}  // namespace

void AddInspect(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("inspect", "What a model directory holds");
  struct Args {
    std::string model;
    bool check = false, json = false;
  };
  auto args = std::make_shared<Args>();
  command->add_option("model,-m,--model", args->model, "Model directory")->required();
  command->add_flag("--check", args->check, "Read every weight; look for NaN and infinities");
  command->add_flag("--json", args->json, "Print JSON");
  command->footer("Example:\n  gemma3n inspect models/nano --check\n");
  command->callback([args, &exit_code] {
    ProgressBar bar(!args->json);
    const ModelReport report = Inspect(args->model, args->check, [&](const Progress& progress) {
      bar.Show(progress);
      return !Interrupted();
    });
    bar.Clear();
    if (args->json) {
      PrintJson(report);
    } else {
      PrintReport(report);
      PrintList("missing", report.missing);
      PrintList("of another shape", report.misshapen);
      PrintList("that nothing reads", report.surplus);
      PrintList("with NaN or infinite values", report.not_finite);
      if (args->check && report.not_finite.empty()) std::printf("every weight is finite\n");
    }
    const bool bad =
        !report.missing.empty() || !report.misshapen.empty() || !report.not_finite.empty();
    exit_code = Interrupted() ? 130 : bad ? 3 : 0;
  });
}

}  // namespace gemma3n::cli
