// SPDX-License-Identifier: Apache-2.0
// How the program tells what went wrong: one line, and with --debug what helps whoever mends it.
#pragma once

#include <exception>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n::cli {

// From here on errors come with details: the kind and exit code, `settings` (the options that were
// given, wherever they came from, one a line), and the machine.
void TellDetails(std::string settings);

int ExitCode(ErrorKind kind);

// Tells the error on standard error, `prefix` before it, and returns the exit code that it means.
int Report(const std::exception& error, const std::string& prefix = "");

}  // namespace gemma3n::cli
