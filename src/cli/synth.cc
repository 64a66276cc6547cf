// SPDX-License-Identifier: Apache-2.0
// `gemma3n synth`: a complete checkpoint of random weights.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/convert.h"

namespace gemma3n::cli {

void AddSynth(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("synth", "Write a complete checkpoint of random weights, for tests");
  auto options = std::make_shared<SynthOptions>();
  auto output = std::make_shared<OutputArgs>();
  output->AddEverywhere(*command);
  command->add_option("--like", options->like, "e2b, e4b, tiny, or a config.json")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "The same seed gives the same bytes")
      ->check(SeedNumber())
      ->capture_default_str();
  command->add_option("--dtype", options->dtype, "bf16, f16 or f32")->capture_default_str();
  command->add_option("--tokenizer", options->tokenizer, "A tokenizer.json to copy");
  command->add_option("--shard-bytes", options->shard_bytes, "Split larger models")
      ->capture_default_str();
  command->add_option("--out", options->out, "Directory to write")->required();
  command->add_flag("--force", options->force, "Replace also a model that synth did not write");
  command->footer("Example:\n  gemma3n synth --like e2b --seed 1 --dtype bf16 --out e2b-random/\n");
  command->callback([options, output, &exit_code] {
    ProgressBar bar(!output->quiet);
    exit_code = Synthesize(*options, bar.Callback()) ? 0 : 130;
  });
}

}  // namespace gemma3n::cli
