// SPDX-License-Identifier: Apache-2.0
// `gemma3n perplexity`: how well a model foresees a text, and how far its predictions are from
// those of another model.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/eval_items.h"
#include "cli/options.h"
#include "cli/progress_bar.h"

namespace gemma3n::cli {
namespace {

constexpr char kHelp[] =
    R"(FILE is a text, or *.jsonl as `eval` takes it: then the answers are scored, each behind its prompt
with its pictures and sounds. A text is cut into windows of --ctx tokens, <bos> among them, one
--stride behind the other; every token is scored once.
--save-logits writes 4 bytes for each scored token and entry of the vocabulary: 1.05 MB a token of
Gemma 3n. Divergences (Kullback-Leibler, of the model from the reference) are in nats.

Example:
  gemma3n perplexity gemma-3n-E2B-it/ book.txt --save-logits book.logits
  gemma3n perplexity e2b-q4.g3n book.txt --reference book.logits
)";

struct Args {
  ModelArgs model;
  OutputArgs output;
  std::string file;
  PerplexityOptions options;
};

void PrintJson(const PerplexityReport& report) {
  nlohmann::ordered_json json = {{"tokens", report.tokens},
                                 {"nll", report.negative_log_likelihood},
                                 {"nll_standard_error", report.standard_error},
                                 {"perplexity", report.perplexity}};
  if (const auto& divergence = report.divergence) {
    json["reference_perplexity"] = divergence->reference_perplexity;
    json["kl"] = {{"mean", divergence->mean},
                  {"standard_error", divergence->standard_error},
                  {"median", divergence->median},
                  {"p99", divergence->most_of_99_percent},
                  {"max", divergence->most}};
    json["same_top_1"] = divergence->same_likeliest;
  }
  std::printf("%s\n", json.dump().c_str());
}

void PrintText(const PerplexityReport& report) {
  std::printf("%-21s %lld\n", "tokens", static_cast<long long>(report.tokens));
  std::printf("%-21s %.4f +- %.4f\n", "perplexity", report.perplexity,
              report.perplexity * report.standard_error);
  const auto& divergence = report.divergence;
  if (!divergence) return;
  std::printf("%-21s %.4f\n", "of the reference", divergence->reference_perplexity);
  std::printf("%-21s %.6f +- %.6f\n", "divergence: mean", divergence->mean,
              divergence->standard_error);
  std::printf("%-21s %.6f\n", "  median", divergence->median);
  std::printf("%-21s %.6f\n", "  99 %", divergence->most_of_99_percent);
  std::printf("%-21s %.6f\n", "  largest", divergence->most);
  std::printf("%-21s %.2f %%\n", "same likeliest token", 100 * divergence->same_likeliest);
}

int Run(Args& args) {
  const Passages passages = PassagesOf(args.file);
  const auto engine = args.model.Load(args.output.quiet);
  WindowOptions& windows = args.options.windows;
  // The default is for models that are made for more.
  if (args.model.context > 0)
    windows.window = args.model.context;
  else
    windows.window = std::min(windows.window, engine->facts().max_context);
  if (windows.stride == 0) windows.stride = std::max<int64_t>(1, windows.window / 2);
  ProgressBar bar(!args.output.quiet);
  const auto report = engine->Perplexity(passages, args.options, bar.Callback());
  bar.Clear();
  if (!report) return 130;
  args.output.json ? PrintJson(*report) : PrintText(*report);
  return 0;
}

}  // namespace

void AddPerplexity(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "perplexity", "How well a model foresees a text, and its divergence from another model");
  auto args = std::make_shared<Args>();
  args->options.windows.stride = 0;
  command->add_option("model", args->model.model, "Model directory or file")->required();
  command->add_option("file", args->file, "Text, or JSONL of prompts, media and answers")
      ->required();
  command
      ->add_option("--threads", args->model.threads, "Threads; 0: as many as there are processors")
      ->check(CLI::Range(0, 1024));
  command->add_option("--ctx", args->model.context, "Tokens of a window; 0: 1024")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--stride", args->options.windows.stride,
                   "Tokens from one window to the next; 0: half a window")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--image-size", args->options.windows.image_size,
                   "Side pictures are stretched to; 0: the model's default")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--reference", args->options.reference,
                      "Logits that another model saved for the same text");
  command->add_option("--save-logits", args->options.save_logits, "Write the logits here");
  command->add_flag("--json", args->output.json, "Print one JSON object instead of text");
  args->output.AddEverywhere(*command);
  command->footer(kHelp);
  command->callback([args, &exit_code] { exit_code = Run(*args); });
}

}  // namespace gemma3n::cli
