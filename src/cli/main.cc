// SPDX-License-Identifier: Apache-2.0
// The program: reads the command line, runs one command, turns errors into exit codes.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/error_report.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kFooter[] = R"(
Every option is also an environment variable (--top-k: GEMMA3N_TOP_K) and a key in the configuration
file, for all commands or in a section for one, such as [run]. The command line counts before the
environment, the environment before the file. Only `watch --url` asks anything of a network; serve
answers.
Exit codes: 0 good, 1 failed while working, 2 wrong usage, 3 model missing or bad, 4 media bad,
5 not enough memory or disk, 130 interrupted.
)";

// --debug wherever it stands: the command line may be what is wrong.
bool WantsDetails(int argc, char** argv) {
  const char* variable = std::getenv("GEMMA3N_DEBUG");
  if (variable != nullptr && *variable != '\0') return std::strcmp(variable, "0") != 0;
  return std::any_of(argv + 1, argv + argc,
                     [](const char* word) { return std::strcmp(word, "--debug") == 0; });
}

int Main(int argc, char** argv) {
  CLI::App app("Gemma 3n on this machine. Text, pictures, sound and film in, text out.", "gemma3n");
  app.set_version_flag("--version", GEMMA3N_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  app.fallthrough();  // --config and --debug may stand behind the command
  bool debug = false;
  app.add_flag("--debug", debug, "Tell more about an error; also GEMMA3N_DEBUG")
      ->envname("GEMMA3N_DEBUG");
  // Before a command runs, which is when CLI11 has read everything.
  app.parse_complete_callback([&] {
    if (debug) TellDetails(app.config_to_str());
  });
  int exit_code = 0;
  for (auto add : {AddRun, AddChat, AddServe, AddTranscribe, AddTranslate, AddDescribe, AddWatch,
                   AddEval, AddPerplexity, AddInspect, AddTokenize, AddLogits, AddDump, AddSynth,
                   AddQuantize, AddSlice, AddBench, AddLab}) {
    add(app, exit_code);
  }
  NameSources(app);
  try {
    app.parse(CommandFirst(app, argc, argv));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    throw Error(ErrorKind::kUsage, std::string(error.what()) + "; --help lists the options");
  }
  return exit_code;
}

}  // namespace
}  // namespace gemma3n::cli

int main(int argc, char** argv) {
  using namespace gemma3n::cli;
  CatchInterrupts();
  if (WantsDetails(argc, argv)) TellDetails("");
  try {
    const int exit_code = Main(argc, argv);
    CheckOutput();
    return exit_code;
  } catch (const OutputError& error) {
    return error.reader_left() ? ExitCode(error.kind()) : Report(error, "gemma3n: ");
  } catch (const std::exception& error) {
    return Report(error, "gemma3n: ");
  }
}
