// SPDX-License-Identifier: Apache-2.0
// `gemma3n inspect`: what a model is.
#include "gemma3n/inspect.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/engine.h"

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
    std::printf("  %s\n", OneLine(names[i]).c_str());
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
  for (const std::string& line : report.files) std::printf("%s\n", OneLine(line).c_str());
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
  for (const TensorClassReport& kind : report.classes) {
    std::printf("%-19s  %9.1f MB  %s\n", kind.name.c_str(), static_cast<double>(kind.bytes) / 1e6,
                kind.dtypes.c_str());
  }
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

// Which of "text", "vision" and "audio" a tensor belongs to.
std::string PartOf(const std::string& tensor) {
  for (const char* part : {"vision", "audio"}) {
    const std::string name(part);
    if (tensor.find("." + name + "_tower.") != std::string::npos) return name;
    if (tensor.find(".embed_" + name + ".") != std::string::npos) return name;
  }
  return "text";
}

// What --check found besides the tensors: whether the model loads, and why not.
struct LoadCheck {
  bool done = false;
  std::string error;  // empty: it loads, with its tokenizer, template and settings
};

LoadCheck TryLoading(const std::string& model, const std::string& projector) {
  try {
    Engine::Load({.model = model, .projector = projector});
    return {true, ""};
  } catch (const Error& error) {
    return {true, error.what()};
  }
}

// "text ok · vision ok · audio ok · tokenizer ok · 1951 tensors, no NaN"
std::string CheckLine(const ModelReport& report, const LoadCheck& load) {
  std::set<std::string> bad;
  for (const auto* names :
       {&report.missing, &report.misshapen, &report.not_finite, &report.damaged}) {
    for (const std::string& name : *names) bad.insert(PartOf(name));
  }
  std::string line;
  for (const std::string part : {"text", "vision", "audio"}) {
    const bool there = part == "text" || (part == "vision" ? report.sees : report.hears);
    line += part + (bad.count(part) ? " bad" : there ? " ok" : " none") + " · ";
  }
  line += !load.done           ? "tokenizer not tried"
          : load.error.empty() ? "tokenizer ok"
                               : "does not load";
  line += " · " + std::to_string(report.tensors) + " tensors, ";
  line += report.not_finite.empty()
              ? "no NaN"
              : std::to_string(report.not_finite.size()) + " with NaN or infinities";
  if (report.damaged.empty()) return line;
  return line + ", " + std::to_string(report.damaged.size()) + " with wrong checksums";
}

nlohmann::ordered_json ReportAsJson(const ModelReport& report) {
  nlohmann::ordered_json json = {{"kind", report.kind},
                                 {"dtypes", report.dtypes},
                                 {"hidden_size", report.hidden_size},
                                 {"vocab_size", report.vocab_size},
                                 {"num_attention_heads", report.num_attention_heads},
                                 {"num_key_value_heads", report.num_key_value_heads},
                                 {"head_dim", report.head_dim},
                                 {"sliding_window", report.sliding_window},
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
                                 {"memory",
                                  {{"resident_bytes", report.resident_bytes},
                                   {"cache_bytes_per_1k", report.cache_bytes_per_1k},
                                   {"file_bytes", report.file_bytes}}},
                                 {"tensors", report.tensors},
                                 {"missing", report.missing},
                                 {"surplus", report.surplus},
                                 {"misshapen", report.misshapen},
                                 {"not_finite", report.not_finite},
                                 {"damaged", report.damaged},
                                 {"files", report.files}};
  for (const TensorClassReport& kind : report.classes) {
    json["stored"].push_back(
        {{"tensors", kind.name}, {"dtypes", kind.dtypes}, {"bytes", kind.bytes}});
  }
  for (const LayerReport& layer : report.layers) {
    json["layers"].push_back({{"attention", layer.sliding ? "sliding" : "full"},
                              {"intermediate_size", layer.intermediate_size},
                              {"sparsity", layer.sparsity},
                              {"kv_source", layer.kv_source}});
  }
  return json;
}

void PrintSize(const Engine& engine, const ModelReport& report) {
  const ModelSize& size = engine.size();
  std::printf("size: %s\nlayer  width\n", SizeLine(engine, size).c_str());
  size_t place = 0;
  for (size_t layer = 0; layer < report.layers.size(); ++layer) {
    const bool runs = place < size.layers.size() && size.layers[place] == static_cast<int>(layer);
    if (!runs) {
      std::printf("%5zu  left out\n", layer);
      continue;
    }
    std::printf("%5zu  %lld of %lld\n", layer,
                static_cast<long long>(size.intermediate_size[place++]),
                static_cast<long long>(report.layers[layer].intermediate_size));
  }
}

nlohmann::ordered_json SizeAsJson(const Engine& engine, size_t layers) {
  const ModelSize& size = engine.size();
  const SizeFacts facts = engine.FactsOf(size);
  nlohmann::ordered_json skipped = nlohmann::ordered_json::array();
  for (int layer = 0; layer < static_cast<int>(layers); ++layer) {
    if (!std::binary_search(size.layers.begin(), size.layers.end(), layer))
      skipped.push_back(layer);
  }
  return {{"name", size.name},
          {"skipped_layers", skipped},
          {"ffn_widths", size.intermediate_size},
          {"effective_parameters", facts.effective_parameters},
          {"weight_bytes_per_token", facts.weight_bytes_per_token}};
}

struct InspectArgs {
  std::string model, projector, size;
  OutputArgs output;
  bool check = false, json = false;
};

int RunInspect(const InspectArgs& args) {
  ModelReport report;
  {
    ProgressBar bar(!args.json && !args.output.quiet);
    report = Inspect(args.model, args.check, bar.Callback(), args.projector);
  }
  if (args.check && !report.read_all) return 130;
  bool good = report.missing.empty() && report.misshapen.empty() && report.not_finite.empty() &&
              report.damaged.empty();
  LoadCheck load;
  if (args.check && good) load = TryLoading(args.model, args.projector);
  good = good && load.error.empty();
  std::shared_ptr<Engine> engine;
  if (!args.size.empty()) {
    engine = Engine::Load({.model = args.model, .projector = args.projector, .size = args.size});
  }
  if (args.json) {
    nlohmann::ordered_json json = ReportAsJson(report);
    if (engine) json["size"] = SizeAsJson(*engine, report.layers.size());
    if (args.check) json["check"] = {{"ok", good}, {"error", load.error}};
    std::printf("%s\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    PrintReport(report);
    if (engine) PrintSize(*engine, report);
    PrintList("missing", report.missing);
    PrintList("of another shape", report.misshapen);
    PrintList("that nothing reads", report.surplus);
    PrintList("with NaN or infinite values", report.not_finite);
    PrintList("damaged: the bytes do not have their checksum", report.damaged);
    if (args.check) std::printf("%s\n", CheckLine(report, load).c_str());
  }
  if (!load.error.empty()) Tell("gemma3n: " + load.error);
  return good ? 0 : 3;
}

}  // namespace

void AddInspect(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("inspect", "What a model's files hold");
  auto args = std::make_shared<InspectArgs>();
  command->add_option("model,-m,--model", args->model, kModelHelp)->required();
  command->add_option("--mmproj", args->projector, kProjectorHelp);
  command->add_option("--size", args->size, kSizeHelp);
  args->output.AddEverywhere(*command);
  command->add_flag("--check", args->check,
                    "Read every weight for NaN and infinities; load the model with its tokenizer");
  command->add_flag("--json", args->json, "Print JSON");
  command->footer(
      "Example:\n  gemma3n inspect models/nano --check\n"
      "  gemma3n inspect e4b.g3n --size e2b\n");
  command->callback([args, &exit_code] { exit_code = RunInspect(*args); });
}

}  // namespace gemma3n::cli
