// SPDX-License-Identifier: Apache-2.0
// `gemma3n bench`: how fast a model runs on this machine, part by part.
#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/first_token.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/benchmark.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kExamples[] = R"(Examples:
  gemma3n bench -m e2b.g3n
  gemma3n bench -m e2b.g3n --json > before.json
  gemma3n bench -m e2b.g3n --compare before.json
  gemma3n bench -m e2b.g3n --prefill 512 --decode 64 --depth 0,1024 --image 0 --audio 0 --reps 5
)";

using Amounts = std::optional<std::vector<int64_t>>;  // unset: what the model takes of the usual

struct BenchArgs {
  std::string model;
  int threads = 0, repetitions = 3;
  Amounts prefill, decode, depth, image;
  std::optional<std::vector<double>> audio;
  int64_t start = 32;
  std::string compare;
  KvType kv = KvType::kAuto;
  bool json = false, resident = false;
  std::string size;
  OutputArgs output;
};

// What was asked for, without the zeros that stand for none; or of the usual amounts those that the
// model takes.
template <class T>
std::vector<T> Chosen(const std::optional<std::vector<T>>& asked, std::vector<T> usual, T most) {
  std::vector<T> amounts = asked.value_or(usual);
  std::erase_if(amounts, [&](T amount) { return amount <= 0 || (!asked && amount > most); });
  return amounts;
}

// "30", "2.5".
std::string Plain(double amount) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g", amount);
  return text;
}

void Require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorKind::kUsage, message);
}

using Measure = std::function<std::optional<Measurement>(const ProgressCallback&)>;

struct Case {
  BenchResult result;
  Measure measure;
};

void AddText(const BenchArgs& args, Benchmark& benchmark, std::vector<Case>& cases) {
  const int64_t context = benchmark.facts().max_context;
  const auto check = [&](const char* option, int64_t positions) {
    Require(positions <= context,
            std::string(option) + ": expected at most " + std::to_string(context) +
                " positions, the model's context, found " + std::to_string(positions));
  };
  for (int64_t tokens : Chosen(args.prefill, {512, 2048}, context)) {
    check("--prefill", tokens);
    cases.push_back({{"pp" + std::to_string(tokens), "prefill", static_cast<double>(tokens), 0, {}},
                     [=, &benchmark](const auto& p) { return benchmark.Prefill(tokens, p); }});
  }
  std::vector<int64_t> depths = args.depth.value_or(std::vector<int64_t>{0, 4096});
  for (int64_t tokens : Chosen(args.decode, {128}, context - 1)) {
    for (int64_t depth : depths) {
      if (!args.depth && depth + tokens >= context) continue;
      check("--decode and --depth", depth + tokens + 1);
      const std::string at = depth > 0 ? "@" + std::to_string(depth) : "";
      cases.push_back(
          {{"tg" + std::to_string(tokens) + at, "decode", static_cast<double>(tokens), depth, {}},
           [=, &benchmark](const auto& p) { return benchmark.Decode(tokens, depth, p); }});
    }
  }
}

void AddMedia(const BenchArgs& args, Benchmark& benchmark, std::vector<Case>& cases) {
  const ModelFacts& facts = benchmark.facts();
  std::vector<int64_t> sizes;
  if (facts.sees && facts.default_image_size < 768) sizes = {facts.default_image_size};
  if (facts.sees && facts.default_image_size >= 768) sizes = {256, 512, 768};
  for (int64_t size : Chosen(args.image, sizes, facts.default_image_size)) {
    Require(facts.sees, "--image: this model does not see");
    Require(size % 32 == 0 && size <= 4096,
            "--image: expected a multiple of 32 in [32, 4096], found " + std::to_string(size));
    cases.push_back({{"image" + std::to_string(size), "image", static_cast<double>(size), 0, {}},
                     [=, &benchmark](const auto& p) { return benchmark.EncodeImage(size, p); }});
  }
  std::vector<double> clips;
  if (facts.hears) clips = {1, 10, 30};
  for (double seconds : Chosen(args.audio, clips, facts.max_clip_seconds)) {
    Require(facts.hears, "--audio: this model does not hear");
    Require(seconds <= facts.max_clip_seconds, "--audio: expected at most " +
                                                   Plain(facts.max_clip_seconds) +
                                                   " seconds, found " + Plain(seconds));
    cases.push_back({{"audio" + Plain(seconds), "audio", seconds, 0, {}},
                     [=, &benchmark](const auto& p) { return benchmark.EncodeClip(seconds, p); }});
  }
}

// In an order in which what takes more memory comes later, since pages once read stay resident.
std::vector<Case> Cases(const BenchArgs& args, Benchmark& benchmark) {
  std::vector<Case> cases;
  cases.push_back({{"load", "load", 0, 0, {}}, [&](const auto&) { return benchmark.loading(); }});
  if (args.start > 0) {
    const std::string text = benchmark.TextOfLength(args.start);
    const int64_t context = std::min(benchmark.facts().max_context, args.start + 256);
    cases.push_back(
        {{"start" + std::to_string(args.start), "start", static_cast<double>(args.start), 0, {}},
         [=, &args, &benchmark](const auto& p) {
           return TimeToFirstToken(
               {args.model, args.threads, context, benchmark.kv_type(), args.resident, args.size},
               text, args.repetitions, p);
         }});
  }
  AddText(args, benchmark, cases);
  AddMedia(args, benchmark, cases);
  return cases;
}

// Ends the output; returns the exit code.
int Finish(nlohmann::ordered_json json, bool as_json, bool interrupted) {
  if (interrupted) json["interrupted"] = true;
  if (as_json) {
    Put(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else if (interrupted) {
    Put("interrupted\n");
  }
  return interrupted ? 130 : 0;
}

int Bench(const BenchArgs& args) {
  std::optional<EarlierRun> earlier;
  if (!args.compare.empty()) earlier.emplace(args.compare);
  const EarlierRun* old = earlier ? &*earlier : nullptr;
  ProgressBar bar(!args.output.quiet);
  const auto benchmark = Benchmark::Load({.model = args.model,
                                          .threads = args.threads,
                                          .kv = args.kv,
                                          .resident = args.resident,
                                          .size = args.size},
                                         args.repetitions, bar.Callback());
  bar.Clear();
  nlohmann::ordered_json json;
  if (!benchmark) return Finish(std::move(json), args.json, /*interrupted=*/true);
  json["settings"] = BenchSettings(args.model, *benchmark, args.repetitions);
  json["settings"]["resident"] = args.resident;
  json["settings"]["size"] = args.size.empty() ? "full" : args.size;
  if (old != nullptr) {
    json["compared_with"] = old->path();
    const std::string difference = old->Difference(json["settings"]);
    if (!difference.empty() && !args.output.quiet) gemma3n::cli::Tell("note: " + difference);
  }
  json["results"] = nlohmann::ordered_json::array();
  std::vector<Case> cases = Cases(args, *benchmark);
  if (!args.json) Put(BenchTableHead(old) + "\n");
  bool interrupted = false;
  for (Case& each : cases) {
    std::optional<Measurement> measured = each.measure(bar.Callback());
    bar.Clear();
    interrupted = !measured || Interrupted();
    if (!measured) break;
    each.result.measured = std::move(*measured);
    json["results"].push_back(BenchResultAsJson(each.result, old));
    if (!args.json) Put(BenchTableLine(each.result, old) + "\n");
    if (interrupted) break;
  }
  return Finish(std::move(json), args.json, interrupted);
}

template <class T>
void AddAmounts(CLI::App& command, const char* name, std::optional<std::vector<T>>& amounts,
                const char* help) {
  command
      .add_option_function<std::vector<T>>(
          name, [&amounts](const std::vector<T>& values) { amounts = values; }, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(T{0}, T{10000000}));
}

}  // namespace

void AddBench(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("bench", "Measure how fast a model runs here");
  auto args = std::make_shared<BenchArgs>();
  command->add_option("-m,--model", args->model, "Model directory or packed file")->required();
  command->add_option("--threads", args->threads, "Threads; 0: as many as there are processors")
      ->check(CLI::Range(0, 1024));
  AddAmounts(*command, "--prefill", args->prefill, "Tokens of prompts: 512,2048; 0: none");
  AddAmounts(*command, "--decode", args->decode, "Tokens to step: 128; 0: none");
  AddAmounts(*command, "--depth", args->depth, "Positions before these steps: 0,4096");
  AddAmounts(*command, "--image", args->image, "Sides of pictures: 256,512,768; 0: none");
  AddAmounts(*command, "--audio", args->audio, "Seconds of sound: 1,10,30; 0: none");
  command->add_option("--start", args->start, "Tokens of the prompt of a fresh start; 0: none")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--reps", args->repetitions, "Repetitions of each")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddKvOption(*command, args->kv);
  command->add_flag("--resident", args->resident, kResidentHelp);
  command->add_option("--size", args->size, kSizeHelp);
  command->add_option("--compare", args->compare, "An earlier run's --json output: show ratios");
  command->add_flag("--json", args->json, "Print one JSON object instead of a table");
  args->output.AddEverywhere(*command);
  command->footer(kExamples);
  command->callback([args, &exit_code] { exit_code = Bench(*args); });
}

}  // namespace gemma3n::cli
