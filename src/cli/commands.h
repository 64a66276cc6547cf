// SPDX-License-Identifier: Apache-2.0
// One function per command: it adds the command with its options to the program. The command's work
// runs when the command line has been read; its exit code is left in `exit_code`.
#pragma once

#include <CLI/CLI.hpp>

namespace gemma3n::cli {

void AddRun(CLI::App& app, int& exit_code);
void AddChat(CLI::App& app, int& exit_code);
void AddServe(CLI::App& app, int& exit_code);
void AddTranscribe(CLI::App& app, int& exit_code);
void AddTranslate(CLI::App& app, int& exit_code);
void AddDescribe(CLI::App& app, int& exit_code);
void AddWatch(CLI::App& app, int& exit_code);
void AddEval(CLI::App& app, int& exit_code);
void AddPerplexity(CLI::App& app, int& exit_code);
void AddInspect(CLI::App& app, int& exit_code);
void AddTokenize(CLI::App& app, int& exit_code);
void AddLogits(CLI::App& app, int& exit_code);
void AddDump(CLI::App& app, int& exit_code);
void AddSynth(CLI::App& app, int& exit_code);
void AddQuantize(CLI::App& app, int& exit_code);
void AddSlice(CLI::App& app, int& exit_code);
void AddBench(CLI::App& app, int& exit_code);
void AddLab(CLI::App& app, int& exit_code);

}  // namespace gemma3n::cli
