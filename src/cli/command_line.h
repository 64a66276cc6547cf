// SPDX-License-Identifier: Apache-2.0
// Where the value of an option comes from: the command line, else the environment, else the
// configuration file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gemma3n::cli {

// Adds --config, and gives every option of every command its environment variable
// (--top-k: GEMMA3N_TOP_K). Call when all commands have been added.
void NameSources(CLI::App& app);

// `gemma3n -m DIR run x` -> the order in which CLI11 reads options: "run -m DIR x", reversed.
// Throws Error (kUsage) when the first word is no command.
std::vector<std::string> CommandFirst(const CLI::App& app, int argc, char** argv);

}  // namespace gemma3n::cli
