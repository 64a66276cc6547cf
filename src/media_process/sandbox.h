// SPDX-License-Identifier: Apache-2.0
// Gives up, for the rest of this process, everything that decoding does not need.
#pragma once

#include <cstdint>

namespace gemma3n {

// What is allowed beside decoding a file, as sandbox.cc spells it out: to wait for descriptor 0, or
// what reading from a device or server that is open already takes.
enum class SandboxInput { kFile, kPipe, kSound, kCamera, kScreen };

struct SandboxLimits {
  uint64_t memory_bytes;  // of address space
  int64_t cpu_seconds;    // then SIGXCPU
  SandboxInput input = SandboxInput::kFile;
};

// Limits on memory, processor time, files (none beside the open ones), children (none) and
// core dumps (none); no new privileges; Landlock where the kernel has it (no path and no port may
// be touched); and a system-call filter for all threads: what is not on its list ends the process
// with SIGSYS. Returns false when the kernel cannot filter; the limits hold all the same.
bool EnterSandbox(const SandboxLimits& limits);

// For the process that fetches from the network, which must look up names and certificates and
// connect: no new privileges, no core dump, a bound on memory, and with Landlock no file may be
// made, written, moved or started.
void GiveUpWriting(uint64_t memory_bytes);

}  // namespace gemma3n
