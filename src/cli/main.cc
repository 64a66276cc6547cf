// SPDX-License-Identifier: Apache-2.0
// The program: reads the command line, runs one command, turns errors into exit codes.
#include <CLI/CLI.hpp>
#include <new>
#include <string>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kFooter[] = R"(
Every option is also an environment variable (--top-k: GEMMA3N_TOP_K) and a key in the configuration
file, for all commands or in a section for one, such as [run]. The command line counts before the
environment, the environment before the file. No command uses a network.
Exit codes: 0 good, 1 failed while working, 2 wrong usage, 3 model missing or bad, 4 media bad,
5 not enough memory or disk, 130 interrupted.
)";

int ExitCode(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kRequest:
      return 2;
    case ErrorKind::kModel:
      return 3;
    case ErrorKind::kMedia:
      return 4;
    case ErrorKind::kResources:
      return 5;
    case ErrorKind::kInternal:
      return 1;
  }
  return 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Gemma 3n on this machine. Text, pictures, sound and film in, text out.", "gemma3n");
  app.set_version_flag("--version", GEMMA3N_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  app.fallthrough();  // --config may stand behind the command
  int exit_code = 0;
  for (auto add :
       {AddRun, AddChat, AddEval, AddInspect, AddTokenize, AddLogits, AddDump, AddSynth}) {
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
  try {
    const int exit_code = Main(argc, argv);
    CheckOutput();
    return exit_code;
  } catch (const OutputError& error) {
    if (!error.reader_left()) Tell(std::string("gemma3n: ") + error.what());
    return ExitCode(error.kind());
  } catch (const gemma3n::Error& error) {
    Tell(std::string("gemma3n: ") + error.what());
    return ExitCode(error.kind());
  } catch (const std::bad_alloc&) {
    Tell("gemma3n: not enough memory");
    return 5;
  } catch (const std::exception& error) {
    Tell(std::string("gemma3n: ") + error.what());
    return 1;
  }
}
