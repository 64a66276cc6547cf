// SPDX-License-Identifier: Apache-2.0
// Gives up, for the rest of this process, everything that decoding does not need.
#pragma once

#include <cstdint>

namespace gemma3n {

struct SandboxLimits {
  uint64_t memory_bytes;  // of address space
  int64_t cpu_seconds;    // then SIGXCPU
  // Allow also what reading from a sound device or server that is open already takes. sandbox.cc
  // says which calls these are and why.
  bool devices = false;
};

// Limits on memory, processor time, files (none beside the open ones), children (none) and
// core dumps (none); no new privileges; Landlock where the kernel has it (no path and no port may
// be touched); and a system-call filter for all threads: what is not on its list ends the process
// with SIGSYS. Returns false when the kernel cannot filter; the limits hold all the same.
bool EnterSandbox(const SandboxLimits& limits);

}  // namespace gemma3n
