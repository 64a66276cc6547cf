// SPDX-License-Identifier: Apache-2.0
// The program: reads the command line, runs one command, turns errors into exit codes.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kFooter[] = R"(
Every option is also an environment variable (--top-k: GEMMA3N_TOP_K) and a key in the configuration
file (a section a command, such as [run]).
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

std::string ConfigFile() {
  const char* base = std::getenv("XDG_CONFIG_HOME");
  if (base != nullptr && *base) return std::string(base) + "/gemma3n/config.toml";
  const char* home = std::getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.config/gemma3n/config.toml";
}

int Main(int argc, char** argv) {
  CLI::App app("gemma3n: Gemma 3n on this machine. Text, pictures, sound and film in, text out.");
  app.set_config("--config", ConfigFile(), "Configuration file (TOML)");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.set_version_flag("--version", GEMMA3N_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  int exit_code = 0;
  for (auto add :
       {AddRun, AddChat, AddEval, AddInspect, AddTokenize, AddLogits, AddDump, AddSynth}) {
    add(app, exit_code);
  }
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    NameEnvironment(*command);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace
}  // namespace gemma3n::cli

int main(int argc, char** argv) {
  gemma3n::cli::CatchInterrupts();
  try {
    return gemma3n::cli::Main(argc, argv);
  } catch (const gemma3n::Error& error) {
    std::fprintf(stderr, "gemma3n: %s\n", error.what());
    return gemma3n::cli::ExitCode(error.kind());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "gemma3n: not enough memory\n");
    return 5;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gemma3n: %s\n", error.what());
    return 1;
  }
}
