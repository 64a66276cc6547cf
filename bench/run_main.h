// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>

#include "gemma3n/error.h"

namespace gemma3n {

// The whole of a bench's main: what `run` returns, or 1 for an Error, which is told.
inline int RunMain(int (*run)(int argc, char** argv), int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace gemma3n
