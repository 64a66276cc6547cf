// SPDX-License-Identifier: Apache-2.0
// `gemma3n quantize`: a model directory to one small file, ours or GGUF.
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/eval_items.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/convert.h"

namespace gemma3n::cli {
namespace {

void AddCalibration(CLI::App& command, QuantizeOptions& options, std::string& calibrate) {
  CLI::Option* text = command.add_option(
      "--calibrate", calibrate,
      "Round by what flows through the matrices while the model reads this: a text, or JSONL as "
      "`eval` takes it, with pictures and sound");
  command
      .add_option("--rounding", options.rounding,
                  "With --calibrate: nearest, weighted, or feedback")
      ->check(CLI::IsMember({"nearest", "weighted", "feedback"}))
      ->capture_default_str()
      ->needs(text);
  CLI::Option* bits =
      command
          .add_option("--bits", options.bits,
                      "With --calibrate, instead of a recipe: 8 bits for the matrices that gain "
                      "most, as many as this mean allows")
          ->check(CLI::Range(4.0, 9.0))
          ->needs(text);
  bits->excludes(command.get_option("--recipe"));
  command
      .add_option("--save-recipe", options.save_recipe,
                  "Write what --bits chose as a file of rules")
      ->needs(bits);
}

}  // namespace

void AddQuantize(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("quantize", "Pack a model into one file that is mapped and run as it is");
  auto options = std::make_shared<QuantizeOptions>();
  auto output = std::make_shared<OutputArgs>();
  output->AddEverywhere(*command);
  command->add_option("model", options->model, kModelHelp)->required();
  command->add_option("-o,--out", options->out, "File to write")->required();
  command->add_option("--to", options->to, "packed: our own form; gguf: for llama.cpp and others")
      ->capture_default_str();
  command->add_option(
      "--recipe", options->recipe,
      "q4 (the default): 4 bits, 8 for small matrices that matter; q8: 8 bits; bf16: as stored; or "
      "a JSON file of rules; of GGUF: q4_0 (the default), q8_0, f16");
  command
      ->add_option("--encoders", options->encoders,
                   "Encoders of pictures and sound, in q4 and q8: int8; float: as stored")
      ->capture_default_str();
  auto mmproj = std::make_shared<std::string>();
  command->add_option("--mmproj", *mmproj,
                      "The file with the encoders of a GGUF model; with --to gguf: a second file "
                      "to write, for the encoders");
  const auto calibrate = std::make_shared<std::string>();
  AddCalibration(*command, *options, *calibrate);
  command->add_flag("--force", options->force, "Replace a file that is there");
  command->footer(
      "Examples:\n"
      "  gemma3n quantize gemma-3n-E2B-it/ -o e2b-q4.g3n\n"
      "  gemma3n quantize gemma-3n-E2B-it/ -o e2b.g3n --bits 4.5 --calibrate book.txt\n"
      "  gemma3n quantize gemma-3n-E2B-it-Q8_0.gguf --mmproj mmproj.gguf -o e2b-q4.g3n\n"
      "  gemma3n quantize gemma-3n-E2B-it/ --to gguf -o e2b-q4_0.gguf --mmproj mmproj.gguf\n");
  command->callback([options, output, mmproj, calibrate, &exit_code] {
    (options->to == "gguf" ? options->mmproj : options->projector) = *mmproj;
    ProgressBar bar(!output->quiet);
    options->on_note = [&](const std::string& note) {
      if (output->quiet) return;
      bar.Clear();
      Tell("note: " + note);
    };
    const bool done = calibrate->empty()
                          ? Quantize(*options, bar.Callback())
                          : Quantize(*options, PassagesOf(*calibrate), bar.Callback());
    exit_code = done ? 0 : 130;
  });
}

}  // namespace gemma3n::cli
