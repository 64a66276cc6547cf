// SPDX-License-Identifier: Apache-2.0
// `gemma3n slice`: any size of a model as a model of its own.
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/progress_bar.h"
#include "cli/terminal.h"
#include "gemma3n/convert.h"

namespace gemma3n::cli {

void AddSlice(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("slice", "Write any size of a model as a model of its own");
  auto options = std::make_shared<SliceOptions>();
  auto output = std::make_shared<OutputArgs>();
  output->AddEverywhere(*command);
  command->add_option("model", options->model, kModelHelp)->required();
  command->add_option("--size", options->size, kSizeHelp)->required();
  command->add_option("-o,--out", options->out, "File or directory to write")->required();
  command->add_option("--to", options->to,
                      "hf, packed or gguf: what MODEL is, the only form that it can be written in "
                      "without rounding it anew");
  auto no_vision = std::make_shared<bool>(false), no_audio = std::make_shared<bool>(false);
  command->add_flag("--no-vision", *no_vision, "Leave out the encoder of pictures");
  command->add_flag("--no-audio", *no_audio, "Leave out the encoder of sound");
  command->add_option("--shard-bytes", options->shard_bytes, "Of a directory: split larger models")
      ->capture_default_str();
  command->add_flag("--force", options->force, "Replace a model that is there");
  command->footer(
      "Examples:\n"
      "  gemma3n slice gemma-3n-E4B-it/ --size e2b -o e2b/\n"
      "  gemma3n slice e4b-q4.g3n --size 'ffn=8192 skip=20-24' -o small.g3n\n"
      "  gemma3n slice gemma-3n-E4B-it-Q8_0.gguf --size 2.54B -o small.gguf\n"
      "A directory cut to a packed or a GGUF file: slice it, then `gemma3n quantize` what came "
      "out.\n"
      "The encoders' file of a GGUF model (mmproj) serves every size as it is.\n");
  command->callback([options, output, no_vision, no_audio, &exit_code] {
    options->vision = !*no_vision;
    options->audio = !*no_audio;
    ProgressBar bar(!output->quiet, ProgressBar::Unit::kBytes);
    options->on_note = [&](const std::string& note) {
      if (output->quiet) return;
      bar.Clear();
      Tell("note: " + note);
    };
    exit_code = Slice(*options, bar.Callback()) ? 0 : 130;
  });
}

}  // namespace gemma3n::cli
