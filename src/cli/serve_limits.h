// SPDX-License-Identifier: Apache-2.0
// The limits of `gemma3n serve`: their options, and a table of them all.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "gemma3n/server.h"

namespace gemma3n::cli {

// Both refer to `options` until the command line has been read. --print-limits ends the program
// with the table.
void AddLimits(CLI::App& command, ServerOptions& options);

std::string LimitsTable(ServerOptions& options);

}  // namespace gemma3n::cli
